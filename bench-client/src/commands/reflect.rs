//! The `reflect` command: serves as the smallest chat server there is.

use std::net::SocketAddr;

use clap::Args;

use crate::commands::values::parse_address;
use crate::error::{Result, exit};
use crate::reflector::dialect::Dialect;
use crate::reflector::{self, Fault, Spoil};

#[derive(Debug, Clone, Args)]
pub struct ReflectArgs {
    /// Where to listen
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:8888", value_parser = parse_address)]
    pub address: SocketAddr,

    /// What to speak
    #[arg(long, value_enum, default_value_t = Dialect::Lines)]
    pub dialect: Dialect,

    /// Spoil one delivery, for tests of the tool
    #[arg(long, value_enum, hide = true)]
    pub fault: Option<Fault>,

    /// The message whose delivery is spoilt
    #[arg(long, default_value_t = 0, hide = true)]
    pub fault_at: u64,

    /// Whose delivery of it
    #[arg(long, default_value_t = 0, hide = true)]
    pub fault_member: usize,
}

/// Serves until the process is stopped.
pub fn command(arguments: &ReflectArgs) -> Result<u8> {
    let spoil = arguments.fault.map(|fault| Spoil { fault, at: arguments.fault_at, member: arguments.fault_member });
    reflector::serve(arguments.address, arguments.dialect, spoil)?;
    Ok(exit::GOOD)
}

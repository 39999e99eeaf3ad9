//! What a delivery, a line and a newcomer cost each server: the figures in `costs.csv`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::files::write_file;
use crate::quantities::time;

const FIGURES: &str = "costs.csv";

/// One figure of one server in one round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    pub what: What,
    pub server: String,
    pub members: u64,
    pub round: u32,
    pub value: f64,
    /// False when the run that it is of was INVALID.
    #[serde(default = "always")]
    pub valid: bool,
    /// Bytes of a delivery, of figures that are about one.
    #[serde(default)]
    pub wire_bytes: Option<u64>,
}

fn always() -> bool {
    true
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    QuietDeliveryNs,
    BusyDeliveryNs,
    LineNs,
    NewcomerNs,
    QuietDeliveryCalls,
    BusyDeliveryCalls,
}

impl What {
    /// In the order in which they are measured and shown.
    pub const ALL: [Self; 6] = [
        Self::QuietDeliveryNs,
        Self::BusyDeliveryNs,
        Self::LineNs,
        Self::NewcomerNs,
        Self::QuietDeliveryCalls,
        Self::BusyDeliveryCalls,
    ];

    /// What it is, for a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::QuietDeliveryNs => "CPU a delivery, 20 lines/s",
            Self::BusyDeliveryNs => "CPU a delivery, 4,000 lines/s",
            Self::LineNs => "CPU an inbound line that nobody hears",
            Self::NewcomerNs => "CPU a newcomer: accepted, welcomed, left",
            Self::QuietDeliveryCalls => "system calls a delivery, 20 lines/s",
            Self::BusyDeliveryCalls => "system calls a delivery, 4,000 lines/s",
        }
    }

    /// True when it is about deliveries in a room, of whatever protocol.
    pub fn is_of_deliveries(self) -> bool {
        !matches!(self, Self::LineNs | Self::NewcomerNs)
    }

    /// True when it counts system calls.
    pub fn is_of_calls(self) -> bool {
        matches!(self, Self::QuietDeliveryCalls | Self::BusyDeliveryCalls)
    }

    /// `value` of this figure, written.
    pub fn show(self, value: f64) -> String {
        if self.is_of_calls() { format!("{value:.4}") } else { time(value as u64) }
    }
}

/// True exactly when `folder` is one of costs.
pub fn is_folder(folder: &Path) -> bool {
    folder.join(FIGURES).is_file()
}

/// Writes the figures, of which the tables are made.
pub fn write(folder: &Path, figures: &[Figure]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for figure in figures {
        writer.serialize(figure).context(|| "cannot write the figures".to_string())?;
    }
    let csv = writer.into_inner().context(|| "cannot write the figures".to_string())?;
    write_file(&folder.join(FIGURES), &csv)
}

/// The figures of `folder`.
pub fn read(folder: &Path) -> Result<Vec<Figure>> {
    let path = folder.join(FIGURES);
    let mut reader = csv::Reader::from_path(&path).context(|| format!("cannot read {}", path.display()))?;
    reader.deserialize().collect::<std::result::Result<_, _>>().context(|| format!("{} is odd", path.display()))
}

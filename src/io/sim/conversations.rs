//! The conversations that the real server is tested with over real sockets, on the simulated kernel.

#[path = "../../../tests/support/conversations.rs"]
mod data;

use std::collections::BTreeMap;

use self::data::Step::{Joins, Leaves, Reads, Sends, Vanishes};
use self::data::{Cut, SCENARIOS, Scenario};
use super::crowd::address;
use super::draw::Draw;
use super::kernel::Kernel;
use super::run::Stage;
use crate::cli::Serve;

/// Turns within which a line that is expected has to come.
const TURNS_MAX: usize = 1000;

#[test]
fn conversations_are_the_same_on_the_simulated_kernel() {
    for scenario in SCENARIOS {
        for cut in scenario.cuts() {
            println!("{}, {cut:?}", scenario.name);
            play(scenario, *cut);
        }
    }
}

fn play(scenario: &Scenario, cut: Cut) {
    let serve = Serve::with(scenario.options).expect("the options are known");
    let mut stage = Stage::new(Kernel::new(Draw::seeded(1), false), serve.config(100));
    let mut people: BTreeMap<&str, u32> = BTreeMap::new();
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for step in scenario.steps {
        let kernel = stage.kernel.clone();
        let mut kernel = kernel.borrow_mut();
        match step {
            Joins(who) => {
                let name = address(u32::try_from(names.len()).unwrap(), false);
                people.insert(who, kernel.connect(name, 1 << 16, true));
                names.insert(who, name.to_string());
            }
            Sends(who, bytes) => {
                drop(kernel);
                for chunk in cut.chunks(bytes) {
                    stage.kernel.borrow_mut().peer_writes(people[who], chunk);
                    stage.rest();
                }
                continue;
            }
            Leaves(who) => kernel.peer_finishes(people.remove(who).expect("who leaves has joined")),
            Vanishes(who) => kernel.peer_resets(people.remove(who).expect("who vanishes has joined")),
            Reads(who, lines) => {
                drop(kernel);
                for line in *lines {
                    let expected = Scenario::named(line, names.iter());
                    assert_eq!(read(&mut stage, people[who]), expected, "{}", scenario.name);
                }
                continue;
            }
        }
        drop(kernel);
        stage.rest();
    }
    for (who, peer) in people.iter().filter(|(who, _)| scenario.follows(who)) {
        let rest = stage.kernel.borrow_mut().pair_mut(*peer).look();
        assert_eq!(String::from_utf8(rest).unwrap(), "", "{}: {who} reads more", scenario.name);
    }
}

/// The next line that somebody reads.
fn read(stage: &mut Stage, peer: u32) -> String {
    for _ in 0..TURNS_MAX {
        if let Some(line) = stage.kernel.borrow_mut().pair_mut(peer).look_at_line() {
            return String::from_utf8(line).expect("the server sends UTF-8");
        }
        stage.turn();
    }
    panic!("nothing comes");
}

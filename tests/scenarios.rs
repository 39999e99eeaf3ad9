//! Conversations played with the real server over real sockets, on every back end, with what is sent cut in several ways.

#[path = "support/conversations.rs"]
mod conversations;
mod support;

use std::collections::BTreeMap;

use conversations::Step::{Joins, Leaves, Reads, Sends, Vanishes};
use conversations::{Cut, SCENARIOS, Scenario};
use support::{BACKENDS, Person, Server};

#[test]
fn scenarios() {
    for backend in BACKENDS {
        for scenario in SCENARIOS {
            for cut in scenario.cuts() {
                println!("{backend}: {}, {cut:?}", scenario.name);
                play(backend, scenario, *cut);
            }
        }
    }
}

fn play(backend: &str, scenario: &Scenario, cut: Cut) {
    let mut options = vec!["--backend", backend];
    options.extend(scenario.options);
    let server = Server::start(&options);
    let mut people: BTreeMap<&str, Person> = BTreeMap::new();
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    for step in scenario.steps {
        match step {
            Joins(who) => {
                let mut person = Person::connect(server.address);
                names.insert(who, person.name().to_string());
                // Welcomed before the next step, so that the order of joins is the scenario's.
                person.wait_for_byte();
                people.insert(who, person);
            }
            Sends(who, bytes) => {
                for chunk in cut.chunks(bytes) {
                    people.get_mut(who).unwrap().send(chunk);
                }
            }
            Leaves(who) => people.remove(who).unwrap().leave(),
            Vanishes(who) => people.remove(who).unwrap().vanish(),
            Reads(who, lines) => {
                for line in *lines {
                    let expected = Scenario::named(line, names.iter());
                    assert_eq!(people.get_mut(who).unwrap().line(), Some(expected), "{}", scenario.name);
                }
            }
        }
    }
    for (who, person) in &mut people {
        let rest = person.rest_after(std::time::Duration::from_millis(20));
        assert!(!scenario.follows(who) || rest.is_empty(), "{}: {who} reads {rest:?} too", scenario.name);
    }
}

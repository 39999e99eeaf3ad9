# The load generator's publishers say more than a person may.
server := "target/release/uproar serve {addr} --backend uring --transcript off --flood-rate 0"

# List the recipes
default:
    @just --list

# Measure rooms up to 19,000 members, under ten minutes; leaves a dated folder in results/. More options may follow
bench *options: build
    target/release/bench-client sweep --rungs 100,1k,1100,5k,10k,19k --deliveries 100k --repeat 3 -d 11s -w 2s --floor \
        --pin 0,1 --server uproar='{{server}}' {{options}}

# The same in less than a minute, once each
bench-quick *options: build
    target/release/bench-client sweep --rungs 100,1k,5k --deliveries 100k --repeat 1 -d 5s -w 1s --pin 0,1 \
        --server uproar='{{server}}' {{options}}

# Build server and load generator as they are measured
build:
    cargo build --release --workspace

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
    target/release/bench-client sweep --rungs 100,1k,2k --deliveries 50k --repeat 1 -d 3s -w 1s --server uproar='{{server}}' \
        -o '{{results}}' || [ $? -eq 3 ]

sim := "cargo run --quiet --profile sim --features sim --example sim --"

# Play seeds on the simulated kernel
sim seeds="10000":
    {{sim}} run {{seeds}}

# Play one seed and print what happens
sim-replay seed:
    {{sim}} replay {{seed}}

# A room of a million members in memory: takes a few GB and a minute
sim-million:
    {{sim}} room 1000000 20

# As many seeds as 30 minutes on two cores allow, others every night
nightly:
    {{sim}} run 1000000000 --first $(date +%s)000000 --time 30m

# Everything that a change must pass
ci:
    .ci/run

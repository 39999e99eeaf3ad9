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

# Whether every delivery is as it should be, in seconds; timings of a busy machine do not fail it
bench-smoke results: build
    target/release/bench-client sweep --rungs 100,1k,2k --deliveries 50k --repeat 1 -d 3s -w 1s --server uproar='{{server}}' \
        -o '{{results}}' || [ $? -eq 3 ]

# Everything that a change must pass
ci:
    .ci/run

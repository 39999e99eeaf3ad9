# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_bench_client_global_optspecs
    string join \n h/help V/version
end

function __fish_bench_client_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_bench_client_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_bench_client_using_subcommand
    set -l cmd (__fish_bench_client_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c bench-client -n "__fish_bench_client_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_needs_command" -s V -l version -d 'Print version'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "run" -d 'Measure one room, or many at once'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "sweep" -d 'Measure rooms of growing size at the same deliveries a second, one server or several in turn'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "peers" -d 'Measure the same rooms on uproar and on message brokers, in turn, and search for what each keeps up with'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "many-rooms" -d 'Measure many small rooms on several servers, in turn: what a delivered line costs each'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "two-rooms" -d 'Measure a few members in a room of their own, alone and beside a large busy room, in turn'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "cluster-cost" -d 'Measure one room on a server alone and as a node of a cluster, in turn: what the way through the stream costs'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "headline" -d 'Search for the highest rate that one server keeps up with, measure it several times, and leave a folder with the figures'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "costs" -d 'Measure what a delivery, a line and a newcomer cost each server, in turn'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "report" -d 'Draw the tables, rows and pictures of a results folder anew, from its runs'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "check" -d 'Compare two sweeps in ratios'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "doctor" -d 'Say what on this machine stands in the way of a room of N members, and the command that mends it'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "floor" -d 'Measure what a bare loop of sends to N sockets costs on this machine'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "floor-sender" -d 'What this program tells the process that sends for it'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "members" -d 'Have some members of a room, as the process that conducts the run says on stdin'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "floor-reader" -d 'What this program tells a process that reads for it'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "reflect" -d 'Serve as the smallest chat server there is: what the tool measures when the server costs next to nothing'
complete -c bench-client -n "__fish_bench_client_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s c -l connections -d 'Members of the room, or of all rooms together (100, 10k, 1.1k)' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l rooms -d 'Rooms that the members are spread over: member i is in room i mod N, and a line is heard in its room alone' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s r -l rate -d 'Messages a second of all rooms together, which speak in turn (20, 20/s, 0.2/s, 4k/s); above 10 from each publisher, the server needs --flood-rate 0' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l deliveries -d 'Deliveries a second in total instead: the rate is this over the members of a room' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s n -l messages -d 'Measured messages, instead of a duration' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l protocol -d 'What the server speaks' -r -f -a "uproar\t'Lines, each behind its author'
redis\t'Redis publish and subscribe; publishers in RESP3, which lets one connection do both'
nats\t'NATS core, without echo'
mqtt\t'MQTT 5, quality of service 0, no local'
websocket\t'Uproar\'s web door: a line a frame out, an object a frame in'
websocket-plain\t'A bare line a WebSocket frame, in both directions'
websocket-nats\t'NATS core inside WebSocket frames'
irc\t'IRC, uproar\'s door or any other server'"
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l also -d 'Members that come into the same room by another door of the server, beside those of -c; again for a third (irc=:6667:900, or irc:900 where the server\'s command names {irc})' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s p -l publishers -d 'Members that also send, of each room; at least one member must only listen' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s d -l duration -d 'Length of the measured part' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s w -l warmup -d 'Messages sent and verified before that, left out of every figure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l drain -d 'How long to wait for the last deliveries; what has not come by then counts as having taken this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l aftermath -d 'Watch the server for this long after the members have left: when it has given their places and memory back, and what that costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l processes -d 'Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s s -l size -d 'Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l path -d 'What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l arrival -d 'Due times evenly spaced, or at random with the same mean' -r -f -a "fixed\t'Evenly, one interval apart'
poisson\t'At random, independent of each other, with the same mean'"
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l seed -d 'Decides random due times: the same seed is the same plan' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l connect-rate -d 'Connects a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l connect-window -d 'Members that have connected and not been welcomed yet, at most' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l settle -d 'The room is quiet, and the run may begin, when no byte came for this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l idle -d 'Measure the server\'s use of its core for this long, with all members connected and nobody speaking' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l spread -d 'Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every 10,000 members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l verify -d 'Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far cheaper. By default all' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l probes -d 'Verified members, evenly spread over the order of joining, on which the kernel\'s time stamps split delivery latency into the server\'s part and this tool\'s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l silent -d 'Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every gap was told exactly' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l slow -d 'N members, of those connected, that read BYTES a second each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l churn -d 'Members that come and go beside those connected, a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l flood -d 'Members beside those connected that send lines which nobody hears, as fast as the server takes them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l pin -d 'Processors of the server, which may be `all`, and of this tool; the server\'s pinning needs --server-cmd or --server-pid' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l lag-limit -d 'How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us, or if that is larger 1 % of the room\'s median, and half of the median delivery' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l server-cmd -d 'Start the server with this command for each run, {addr} and {port} replaced, and stop it after; {web} and {irc} are addresses of other doors' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l nodes -d 'Carry out the server\'s command this many times, each with an address of its own: the nodes of a cluster, over which the members are spread' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l stream-cmd -d 'Start the server of the stream that nodes share with this command before them, {addr}, {port} and {folder} replaced, and stop it after them; {stream} in the server\'s command is its address, and {folder} is empty and removed afterwards' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l watchdog -d 'Be the service manager of that server, which waits for a sign of its loop (WATCHDOG=1) this long at most: how many came, how far apart they were, and how often one came too late' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l server-pid -d 'Process of the running server, to measure what it costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l repeat -d 'Runs, each with the server restarted if this tool starts it' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l expect -d 'What the result must be, or exit code 4 (lost=0,room.p99<250ms)' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l search -d 'Find the highest rate at which this holds, from -r or --deliveries on; each trial is a run (room.p99<1s)' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s o -l out -d 'Write env.json, and summary.json, *.hgrm, intervals.hlog and messages.csv of each run, into this folder' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l format -d 'What to print on stdout' -r -f -a "table\t'For people'
json\t'summary.json of each run, one a line'
quiet\t'Problems alone'"
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l no-kernel-stamps -d 'No --probes: stamps make the kernel look at the clock for every packet'
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l floor -d 'Measure before and after each run what a bare loop of sends costs, and print the server\'s cost over it'
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l count-calls -d 'Count the server\'s system calls too, which costs it some time at each'
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -l no-progress -d 'Show no progress; none is shown anyway when stderr is no terminal'
complete -c bench-client -n "__fish_bench_client_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l rungs -d 'Members of the rooms (100,1k,10k)' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l deliveries -d 'Deliveries a second in total: the rate of a room is this over its members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l repeat -d 'Runs of each room, each with the server restarted; servers take turns' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l once-from -d 'Rooms of this many members or more are measured once' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l lines-min -d 'Lines of a run at least, however long they take, after one or more to warm up' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l warmup-per-member -d 'Warm up for this long for each member of the room besides: a server that says more rarely in a large room who came has said it by then' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l kind -d 'How the folder\'s name ends, and what is drawn of the runs' -r -f -a "rooms\t'Servers beside each other, room by room'
million\t'How far each server goes'"
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l server -d 'A server and the command that starts it, {addr} and {port} replaced, and {members} by those of the room and a reserve; may be given several times' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -s p -l publishers -d 'Members that also send, of each room; at least one member must only listen' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -s d -l duration -d 'Length of the measured part' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -s w -l warmup -d 'Messages sent and verified before that, left out of every figure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l drain -d 'How long to wait for the last deliveries; what has not come by then counts as having taken this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l aftermath -d 'Watch the server for this long after the members have left: when it has given their places and memory back, and what that costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l processes -d 'Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -s s -l size -d 'Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l path -d 'What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l arrival -d 'Due times evenly spaced, or at random with the same mean' -r -f -a "fixed\t'Evenly, one interval apart'
poisson\t'At random, independent of each other, with the same mean'"
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l seed -d 'Decides random due times: the same seed is the same plan' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l connect-rate -d 'Connects a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l connect-window -d 'Members that have connected and not been welcomed yet, at most' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l settle -d 'The room is quiet, and the run may begin, when no byte came for this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l idle -d 'Measure the server\'s use of its core for this long, with all members connected and nobody speaking' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l spread -d 'Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every 10,000 members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l verify -d 'Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far cheaper. By default all' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l probes -d 'Verified members, evenly spread over the order of joining, on which the kernel\'s time stamps split delivery latency into the server\'s part and this tool\'s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l silent -d 'Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every gap was told exactly' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l slow -d 'N members, of those connected, that read BYTES a second each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l churn -d 'Members that come and go beside those connected, a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l flood -d 'Members beside those connected that send lines which nobody hears, as fast as the server takes them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l pin -d 'Processors of the server, which may be `all`, and of this tool; the server\'s pinning needs --server-cmd or --server-pid' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l lag-limit -d 'How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us, or if that is larger 1 % of the room\'s median, and half of the median delivery' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -s o -l out -d 'The dated folder of the sweep is made in this one' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l largest -d 'When a room is larger than a server holds, measure the largest that it holds, and leave the server out of larger ones'
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l no-kernel-stamps -d 'No --probes: stamps make the kernel look at the clock for every packet'
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l floor -d 'Measure before and after each run what a bare loop of sends costs, and print the server\'s cost over it'
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l count-calls -d 'Count the server\'s system calls too, which costs it some time at each'
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -l no-progress -d 'Show no progress; none is shown anyway when stderr is no terminal'
complete -c bench-client -n "__fish_bench_client_using_subcommand sweep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l rungs -d 'Members of the rooms' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l deliveries -d 'Deliveries a second in total, where all are offered the same' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l repeat -d 'Runs of each room, each with the server restarted; servers take turns' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l server -d 'A server with its limits lifted, and the command that starts it, {addr} and {port} replaced' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l as-shipped -d 'A server as it is shipped: only what it keeps up with is searched for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l parts -d 'What to measure' -r -f -a "offered\t'The same deliveries a second to all'
idle\t'One line now and then into a quiet room'
busy\t'Thousands of lines a second into a room of a thousand'
ceiling\t'The highest rate that each keeps up with'"
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -s p -l publishers -d 'Members that also send, of each room; at least one member must only listen' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -s d -l duration -d 'Length of the measured part' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -s w -l warmup -d 'Messages sent and verified before that, left out of every figure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l drain -d 'How long to wait for the last deliveries; what has not come by then counts as having taken this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l aftermath -d 'Watch the server for this long after the members have left: when it has given their places and memory back, and what that costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l processes -d 'Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -s s -l size -d 'Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l path -d 'What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l arrival -d 'Due times evenly spaced, or at random with the same mean' -r -f -a "fixed\t'Evenly, one interval apart'
poisson\t'At random, independent of each other, with the same mean'"
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l seed -d 'Decides random due times: the same seed is the same plan' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l connect-rate -d 'Connects a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l connect-window -d 'Members that have connected and not been welcomed yet, at most' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l settle -d 'The room is quiet, and the run may begin, when no byte came for this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l idle -d 'Measure the server\'s use of its core for this long, with all members connected and nobody speaking' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l spread -d 'Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every 10,000 members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l verify -d 'Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far cheaper. By default all' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l probes -d 'Verified members, evenly spread over the order of joining, on which the kernel\'s time stamps split delivery latency into the server\'s part and this tool\'s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l silent -d 'Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every gap was told exactly' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l slow -d 'N members, of those connected, that read BYTES a second each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l churn -d 'Members that come and go beside those connected, a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l flood -d 'Members beside those connected that send lines which nobody hears, as fast as the server takes them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l pin -d 'Processors of the server, which may be `all`, and of this tool; the server\'s pinning needs --server-cmd or --server-pid' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l lag-limit -d 'How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us, or if that is larger 1 % of the room\'s median, and half of the median delivery' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l kind -d 'What the dated folder is called' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -s o -l out -d 'The dated folder of the comparison is made in this one' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l no-kernel-stamps -d 'No --probes: stamps make the kernel look at the clock for every packet'
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l floor -d 'Measure before and after each run what a bare loop of sends costs, and print the server\'s cost over it'
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l count-calls -d 'Count the server\'s system calls too, which costs it some time at each'
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -l no-progress -d 'Show no progress; none is shown anyway when stderr is no terminal'
complete -c bench-client -n "__fish_bench_client_using_subcommand peers" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -s c -l connections -d 'Members of all rooms together' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l rooms -d 'Rooms that they are spread over: member i is in room i mod N' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -s r -l rate -d 'Lines a second of all rooms together, which speak in turn: with 950 of 3,800 rooms each has one every 4 s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l repeat -d 'Runs, each with the server restarted; servers take turns' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l server -d 'A server and the command that starts it, {addr} and {port} replaced; the first is put over each of the others' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -s p -l publishers -d 'Members that also send, of each room; at least one member must only listen' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -s d -l duration -d 'Length of the measured part' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -s w -l warmup -d 'Messages sent and verified before that, left out of every figure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l drain -d 'How long to wait for the last deliveries; what has not come by then counts as having taken this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l aftermath -d 'Watch the server for this long after the members have left: when it has given their places and memory back, and what that costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l processes -d 'Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -s s -l size -d 'Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l path -d 'What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l arrival -d 'Due times evenly spaced, or at random with the same mean' -r -f -a "fixed\t'Evenly, one interval apart'
poisson\t'At random, independent of each other, with the same mean'"
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l seed -d 'Decides random due times: the same seed is the same plan' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l connect-rate -d 'Connects a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l connect-window -d 'Members that have connected and not been welcomed yet, at most' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l settle -d 'The room is quiet, and the run may begin, when no byte came for this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l idle -d 'Measure the server\'s use of its core for this long, with all members connected and nobody speaking' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l spread -d 'Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every 10,000 members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l verify -d 'Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far cheaper. By default all' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l probes -d 'Verified members, evenly spread over the order of joining, on which the kernel\'s time stamps split delivery latency into the server\'s part and this tool\'s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l silent -d 'Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every gap was told exactly' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l slow -d 'N members, of those connected, that read BYTES a second each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l churn -d 'Members that come and go beside those connected, a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l flood -d 'Members beside those connected that send lines which nobody hears, as fast as the server takes them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l pin -d 'Processors of the server, which may be `all`, and of this tool; the server\'s pinning needs --server-cmd or --server-pid' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l lag-limit -d 'How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us, or if that is larger 1 % of the room\'s median, and half of the median delivery' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -s o -l out -d 'The dated folder is made in this one' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l no-kernel-stamps -d 'No --probes: stamps make the kernel look at the clock for every packet'
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l floor -d 'Measure before and after each run what a bare loop of sends costs, and print the server\'s cost over it'
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l count-calls -d 'Count the server\'s system calls too, which costs it some time at each'
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -l no-progress -d 'Show no progress; none is shown anyway when stderr is no terminal'
complete -c bench-client -n "__fish_bench_client_using_subcommand many-rooms" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -s c -l connections -d 'Members of the large room' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l deliveries -d 'Deliveries a second in the large room: its lines are this over its members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l few -d 'Members of the small room, all of which verify' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l few-rate -d 'Lines a second in the small room, from one of them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l repeat -d 'Rounds: the few alone and beside the large room, on each server, which is restarted each time' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l server -d 'A server and the command that starts it, {addr} and {port} replaced; may be given several times' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -s p -l publishers -d 'Members that also send, of each room; at least one member must only listen' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -s d -l duration -d 'Length of the measured part' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -s w -l warmup -d 'Messages sent and verified before that, left out of every figure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l drain -d 'How long to wait for the last deliveries; what has not come by then counts as having taken this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l aftermath -d 'Watch the server for this long after the members have left: when it has given their places and memory back, and what that costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l processes -d 'Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -s s -l size -d 'Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l path -d 'What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l arrival -d 'Due times evenly spaced, or at random with the same mean' -r -f -a "fixed\t'Evenly, one interval apart'
poisson\t'At random, independent of each other, with the same mean'"
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l seed -d 'Decides random due times: the same seed is the same plan' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l connect-rate -d 'Connects a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l connect-window -d 'Members that have connected and not been welcomed yet, at most' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l settle -d 'The room is quiet, and the run may begin, when no byte came for this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l idle -d 'Measure the server\'s use of its core for this long, with all members connected and nobody speaking' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l spread -d 'Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every 10,000 members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l verify -d 'Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far cheaper. By default all' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l probes -d 'Verified members, evenly spread over the order of joining, on which the kernel\'s time stamps split delivery latency into the server\'s part and this tool\'s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l silent -d 'Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every gap was told exactly' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l slow -d 'N members, of those connected, that read BYTES a second each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l churn -d 'Members that come and go beside those connected, a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l flood -d 'Members beside those connected that send lines which nobody hears, as fast as the server takes them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l pin -d 'Processors of the server, which may be `all`, and of this tool; the server\'s pinning needs --server-cmd or --server-pid' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l lag-limit -d 'How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us, or if that is larger 1 % of the room\'s median, and half of the median delivery' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -s o -l out -d 'The dated folder is made in this one' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l no-kernel-stamps -d 'No --probes: stamps make the kernel look at the clock for every packet'
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l floor -d 'Measure before and after each run what a bare loop of sends costs, and print the server\'s cost over it'
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l count-calls -d 'Count the server\'s system calls too, which costs it some time at each'
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -l no-progress -d 'Show no progress; none is shown anyway when stderr is no terminal'
complete -c bench-client -n "__fish_bench_client_using_subcommand two-rooms" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -s c -l connections -d 'Members of the room' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -s r -l rate -d 'Lines a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l repeat -d 'Rounds, each with the server alone and as a node' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l server-cmd -d 'The command that starts the server, {addr} and {port} replaced' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l node-options -d 'What stands behind that command for a node, {stream} replaced by the address of the stream\'s server' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l stream-cmd -d 'The command that starts the server of the stream, {addr}, {port} and {folder} replaced; the folder is empty and removed afterwards' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l limit -d 'How much longer the median line may take to the whole room as a node, or exit code 4' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -s p -l publishers -d 'Members that also send, of each room; at least one member must only listen' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -s d -l duration -d 'Length of the measured part' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -s w -l warmup -d 'Messages sent and verified before that, left out of every figure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l drain -d 'How long to wait for the last deliveries; what has not come by then counts as having taken this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l aftermath -d 'Watch the server for this long after the members have left: when it has given their places and memory back, and what that costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l processes -d 'Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -s s -l size -d 'Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l path -d 'What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l arrival -d 'Due times evenly spaced, or at random with the same mean' -r -f -a "fixed\t'Evenly, one interval apart'
poisson\t'At random, independent of each other, with the same mean'"
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l seed -d 'Decides random due times: the same seed is the same plan' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l connect-rate -d 'Connects a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l connect-window -d 'Members that have connected and not been welcomed yet, at most' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l settle -d 'The room is quiet, and the run may begin, when no byte came for this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l idle -d 'Measure the server\'s use of its core for this long, with all members connected and nobody speaking' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l spread -d 'Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every 10,000 members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l verify -d 'Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far cheaper. By default all' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l probes -d 'Verified members, evenly spread over the order of joining, on which the kernel\'s time stamps split delivery latency into the server\'s part and this tool\'s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l silent -d 'Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every gap was told exactly' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l slow -d 'N members, of those connected, that read BYTES a second each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l churn -d 'Members that come and go beside those connected, a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l flood -d 'Members beside those connected that send lines which nobody hears, as fast as the server takes them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l pin -d 'Processors of the server, which may be `all`, and of this tool; the server\'s pinning needs --server-cmd or --server-pid' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l lag-limit -d 'How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us, or if that is larger 1 % of the room\'s median, and half of the median delivery' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -s o -l out -d 'The dated folder is made in this one' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l no-kernel-stamps -d 'No --probes: stamps make the kernel look at the clock for every packet'
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l floor -d 'Measure before and after each run what a bare loop of sends costs, and print the server\'s cost over it'
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l count-calls -d 'Count the server\'s system calls too, which costs it some time at each'
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -l no-progress -d 'Show no progress; none is shown anyway when stderr is no terminal'
complete -c bench-client -n "__fish_bench_client_using_subcommand cluster-cost" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -s c -l connections -d 'Members of the room' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l repeat -d 'Runs at the rate that was found, each with the server restarted' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l server -d 'The server and the command that starts it, {addr} and {port} replaced' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -s r -l rate -d 'Lines a second that the search begins at' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -s p -l publishers -d 'Members that also send, of each room; at least one member must only listen' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -s d -l duration -d 'Length of the measured part' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -s w -l warmup -d 'Messages sent and verified before that, left out of every figure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l drain -d 'How long to wait for the last deliveries; what has not come by then counts as having taken this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l aftermath -d 'Watch the server for this long after the members have left: when it has given their places and memory back, and what that costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l processes -d 'Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -s s -l size -d 'Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l path -d 'What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l arrival -d 'Due times evenly spaced, or at random with the same mean' -r -f -a "fixed\t'Evenly, one interval apart'
poisson\t'At random, independent of each other, with the same mean'"
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l seed -d 'Decides random due times: the same seed is the same plan' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l connect-rate -d 'Connects a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l connect-window -d 'Members that have connected and not been welcomed yet, at most' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l settle -d 'The room is quiet, and the run may begin, when no byte came for this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l idle -d 'Measure the server\'s use of its core for this long, with all members connected and nobody speaking' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l spread -d 'Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every 10,000 members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l verify -d 'Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far cheaper. By default all' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l probes -d 'Verified members, evenly spread over the order of joining, on which the kernel\'s time stamps split delivery latency into the server\'s part and this tool\'s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l silent -d 'Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every gap was told exactly' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l slow -d 'N members, of those connected, that read BYTES a second each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l churn -d 'Members that come and go beside those connected, a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l flood -d 'Members beside those connected that send lines which nobody hears, as fast as the server takes them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l pin -d 'Processors of the server, which may be `all`, and of this tool; the server\'s pinning needs --server-cmd or --server-pid' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l lag-limit -d 'How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us, or if that is larger 1 % of the room\'s median, and half of the median delivery' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -s o -l out -d 'The dated folder is made in this one' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l no-kernel-stamps -d 'No --probes: stamps make the kernel look at the clock for every packet'
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l floor -d 'Measure before and after each run what a bare loop of sends costs, and print the server\'s cost over it'
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l count-calls -d 'Count the server\'s system calls too, which costs it some time at each'
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -l no-progress -d 'Show no progress; none is shown anyway when stderr is no terminal'
complete -c bench-client -n "__fish_bench_client_using_subcommand headline" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -s c -l connections -d 'Members of the room' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l repeat -d 'Rounds; servers take turns in each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l server -d 'A server and the command that starts it, {addr} and {port} replaced, {web} and {irc} by addresses of other doors' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l wire-bytes -d 'Bytes of a delivery, the same whatever stands around a line in each protocol: lines are as much shorter' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -s p -l publishers -d 'Members that also send, of each room; at least one member must only listen' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -s d -l duration -d 'Length of the measured part' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -s w -l warmup -d 'Messages sent and verified before that, left out of every figure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l drain -d 'How long to wait for the last deliveries; what has not come by then counts as having taken this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l aftermath -d 'Watch the server for this long after the members have left: when it has given their places and memory back, and what that costs' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l processes -d 'Processes of this tool that the members are spread over, up to 100. By default one, or as many as the limit of descriptors asks for' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -s s -l size -d 'Bytes of a line as sent, newline included; from 32, a few more for very long plans, to 60,000' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l path -d 'What members of a WebSocket ask for [default: /ws?room=ROOM of uproar, / of others]' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l arrival -d 'Due times evenly spaced, or at random with the same mean' -r -f -a "fixed\t'Evenly, one interval apart'
poisson\t'At random, independent of each other, with the same mean'"
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l seed -d 'Decides random due times: the same seed is the same plan' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l connect-rate -d 'Connects a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l connect-window -d 'Members that have connected and not been welcomed yet, at most' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l settle -d 'The room is quiet, and the run may begin, when no byte came for this long' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l idle -d 'Measure the server\'s use of its core for this long, with all members connected and nobody speaking' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l spread -d 'Connect from this many loopback addresses in turn, each of which has its own 28,000 ports. By default one for every 10,000 members' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l verify -d 'Members that verify every line, evenly spread over the order of joining; the others only count bytes, which is far cheaper. By default all' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l probes -d 'Verified members, evenly spread over the order of joining, on which the kernel\'s time stamps split delivery latency into the server\'s part and this tool\'s' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l silent -d 'Members, of those connected, that read nothing while messages are sent; afterwards they read and prove that every gap was told exactly' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l slow -d 'N members, of those connected, that read BYTES a second each' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l churn -d 'Members that come and go beside those connected, a second' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l flood -d 'Members beside those connected that send lines which nobody hears, as fast as the server takes them' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l pin -d 'Processors of the server, which may be `all`, and of this tool; the server\'s pinning needs --server-cmd or --server-pid' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l lag-limit -d 'How long messages may be sent late at p99, and deliveries wait to be read at p50, before a run is invalid; by default 200us, or if that is larger 1 % of the room\'s median, and half of the median delivery' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l kind -d 'What the dated folder is called' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -s o -l out -d 'The dated folder is made in this one' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l deliveries-alone -d 'Leave out lines, newcomers and system calls'
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l no-kernel-stamps -d 'No --probes: stamps make the kernel look at the clock for every packet'
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l floor -d 'Measure before and after each run what a bare loop of sends costs, and print the server\'s cost over it'
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l count-calls -d 'Count the server\'s system calls too, which costs it some time at each'
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -l no-progress -d 'Show no progress; none is shown anyway when stderr is no terminal'
complete -c bench-client -n "__fish_bench_client_using_subcommand costs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand report" -l into -d 'Put the short table, and the picture of a comparison or a million, between their markers in this document too' -r -F
complete -c bench-client -n "__fish_bench_client_using_subcommand report" -s h -l help -d 'Print help'
complete -c bench-client -n "__fish_bench_client_using_subcommand check" -l worse -d 'A figure that is this much worse, and worse than every run before, fails' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand check" -s h -l help -d 'Print help'
complete -c bench-client -n "__fish_bench_client_using_subcommand doctor" -s c -l connections -d 'Members of the room' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand doctor" -l set -d 'Set what sysctl can set of what is missing, until the machine is started anew; say what it was and how to put it back. Needs root'
complete -c bench-client -n "__fish_bench_client_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -s c -l connections -d 'Sockets, each of which gets one line a pass' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -s s -l size -d 'Bytes of a line as a publisher sends it; what is sent is that behind an author, as a server would' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -s r -l rate -d 'Passes a second, plain and io_uring taking turns' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -s d -l duration -d 'How long to measure' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -l passes -d 'Passes, instead of a duration' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -l descriptors -d 'What the sockets are in: a descriptor each, or tables of rings, as a server has them that holds more than the descriptor limit allows; `auto` for tables above that limit alone. With tables there is no plain send' -r -f -a "auto\t''
normal\t''
direct\t''"
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -l table-slots -d 'Slots of a table, for tests' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -l pin -d 'Processors of the sender and of the receiver' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -l format -d 'What to print on stdout' -r -f -a "table\t''
json\t''"
complete -c bench-client -n "__fish_bench_client_using_subcommand floor" -s h -l help -d 'Print help'
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-sender" -l connections -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-sender" -l descriptors -r -f -a "auto\t''
normal\t''
direct\t''"
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-sender" -l table-slots -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-sender" -l size -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-sender" -l rate -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-sender" -l passes -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-sender" -s h -l help -d 'Print help'
complete -c bench-client -n "__fish_bench_client_using_subcommand members" -s h -l help -d 'Print help'
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-reader" -l port -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-reader" -l first -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-reader" -l connections -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-reader" -l silence -r
complete -c bench-client -n "__fish_bench_client_using_subcommand floor-reader" -s h -l help -d 'Print help'
complete -c bench-client -n "__fish_bench_client_using_subcommand reflect" -l dialect -d 'What to speak' -r -f -a "lines\t'Uproar\'s lines'
objects\t'The objects of uproar\'s web door, in WebSocket frames'
irc\t'IRC'"
complete -c bench-client -n "__fish_bench_client_using_subcommand reflect" -l fault -d 'Spoil one delivery, for tests of the tool' -r -f -a "drop\t''
duplicate\t''
swap\t''
echo\t''
corrupt\t''
stray\t''
tell\t''
slow\t''"
complete -c bench-client -n "__fish_bench_client_using_subcommand reflect" -l fault-at -d 'The message whose delivery is spoilt' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand reflect" -l fault-member -d 'Whose delivery of it' -r
complete -c bench-client -n "__fish_bench_client_using_subcommand reflect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "run" -d 'Measure one room, or many at once'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "sweep" -d 'Measure rooms of growing size at the same deliveries a second, one server or several in turn'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "peers" -d 'Measure the same rooms on uproar and on message brokers, in turn, and search for what each keeps up with'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "many-rooms" -d 'Measure many small rooms on several servers, in turn: what a delivered line costs each'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "two-rooms" -d 'Measure a few members in a room of their own, alone and beside a large busy room, in turn'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "cluster-cost" -d 'Measure one room on a server alone and as a node of a cluster, in turn: what the way through the stream costs'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "headline" -d 'Search for the highest rate that one server keeps up with, measure it several times, and leave a folder with the figures'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "costs" -d 'Measure what a delivery, a line and a newcomer cost each server, in turn'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "report" -d 'Draw the tables, rows and pictures of a results folder anew, from its runs'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "check" -d 'Compare two sweeps in ratios'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "doctor" -d 'Say what on this machine stands in the way of a room of N members, and the command that mends it'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "floor" -d 'Measure what a bare loop of sends to N sockets costs on this machine'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "floor-sender" -d 'What this program tells the process that sends for it'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "members" -d 'Have some members of a room, as the process that conducts the run says on stdin'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "floor-reader" -d 'What this program tells a process that reads for it'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "reflect" -d 'Serve as the smallest chat server there is: what the tool measures when the server costs next to nothing'
complete -c bench-client -n "__fish_bench_client_using_subcommand help; and not __fish_seen_subcommand_from run sweep peers many-rooms two-rooms cluster-cost headline costs report check doctor floor floor-sender members floor-reader reflect help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'

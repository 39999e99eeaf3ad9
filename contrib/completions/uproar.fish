# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_uproar_global_optspecs
    string join \n h/help V/version
end

function __fish_uproar_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_uproar_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_uproar_using_subcommand
    set -l cmd (__fish_uproar_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c uproar -n "__fish_uproar_needs_command" -s h -l help -d 'Print help'
complete -c uproar -n "__fish_uproar_needs_command" -s V -l version -d 'Print version'
complete -c uproar -n "__fish_uproar_needs_command" -f -a "serve" -d 'Serve a chat room'
complete -c uproar -n "__fish_uproar_needs_command" -f -a "chat" -d 'Talk in a chat room, on a terminal or through pipes'
complete -c uproar -n "__fish_uproar_needs_command" -f -a "check" -d 'See whether this machine is ready to serve, and how to make it so; changes nothing'
complete -c uproar -n "__fish_uproar_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l web -d 'Serve browsers too, on this address: a page at / and /room/NAME, and WebSockets at /ws' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l web-origin -d 'Pages that may open WebSockets, such as https://chat.example,https://example.org:8443 [default: those of the host that the request names]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l irc -d 'Serve IRC clients too, on this address' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l admin -d 'Serve /metrics for Prometheus and /healthz on this address, over HTTP; :PORT is loopback here. A few connections at a time, beside --members [default: none]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l proxy-from -d 'Networks from which proxies come, such as 127.0.0.1,192.0.2.0/24. On every door but --admin they must begin each connection with a PROXY header, version 1 or 2; limits, bans and names are then those of the address that it names [default: none]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l backend -d 'How to wait for the kernel' -r -f -a "auto\t'io_uring where it works, epoll where it does not'
uring\t'io_uring, or an error'
epoll\t'The fallback where io_uring is forbidden'
select\t'The original\'s, for comparison: up to 1,024 descriptors'"
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l members -d 'Members at a time, such as 500, 10k or 1M; more than the descriptor limit allows needs io_uring [default: what descriptors allow; check: 19000]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l descriptors -d 'Which descriptors connections have' -r -f -a "auto\t'Normal ones up to the descriptor limit, direct ones beyond it'
normal\t'Those of the process, which its descriptor limit bounds'
direct\t'Those of io_uring, in as many tables as it takes'"
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l table-slots -d 'Slots of a table of direct descriptors, for tests' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l framing -d 'What ends a message: a line feed, or also the end of a received chunk for clients that send none' -r -f -a "line\t'A line feed ends a message'
chunk\t'As `line`, and what a chunk has after its last line feed is a message too, for clients that send none'"
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l commands -d 'Whether lines that begin with `/` are commands; there are none with --framing chunk' -r -f -a "on\t''
off\t''"
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l history -d 'Messages of a room that each newcomer is sent' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l history-max -d 'Most messages that `/history` sends; they count against the rate of the one who asks' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l rooms-max -d 'Most rooms at a time, the lobby among them' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l resume-for -d 'How long a member may come back with its name and without a gap after its connection has ended' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l line-bytes -d 'Longest line that a member may type' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l log-bytes -d 'Cap of a room\'s log, in each format that is read in it: how far a member may lag before it is skipped and told' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l logs-bytes -d 'Memory for the logs of all rooms together; when it is spent the quietest rooms forget their oldest lines first [default: 256 MiB, or --log-bytes where that is more]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l buffer-bytes -d 'Memory for unfinished lines, own lines and notices of all members together; while it is spent members are not read' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l slow -d 'What becomes of a member that falls off the log' -r -f -a "skip\t'It is told how many messages it missed and goes on from the oldest line kept'
close\t'It is closed'"
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l stall-timeout -d 'How long a member whose socket is full may take no byte before it is closed, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l dead-after -d 'How long a peer that answers nothing counts as there. In a house for more than 30,000 members at least 2 ms for each, which is 2,000 s for a million: the kernel probes silent peers, and that takes the core\'s time' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l line-timeout -d 'How long a line that was begun may make no progress before its author is closed, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l flood-rate -d 'Lines a second that a member may say; more are delayed, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l flood-burst -d 'Lines that a member may say at once' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l address-rate -d 'Lines a second that one address (IPv6: one /64 network) may say over all its connections, with a burst in proportion; more are delayed, 0 for no limit, and none with --flood-rate 0. A proxy in front is one address [default: 4 times --flood-rate]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l room-rate -d 'Bytes a second of fan-out that members may cause together; more lines are delayed, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l join-rate -d 'Joins a second from one address (IPv6: one /64 network), five times as many at once; 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l connections-per-address -d 'Connections at a time from one address (IPv6: one /64 network), 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l stats-interval -d 'How often to log the statistics line, which SIGUSR1 asks for at any time [default: never]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l announce-max -d 'Room size up to which each join and leave is announced; above it they are summed up, once a second up to 4,000 members and more rarely above, once in 250 s with a million' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l announce-rate -d 'Lines a second that announce a single join or leave, five times as many at once; more are summed up, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l transcript -d 'Where to write what is said: - for the standard output, a file, which SIGHUP opens anew, or off [default: - on a terminal, else off]' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l log -d 'Where to write the log: - for the standard error, or a file, which SIGHUP opens anew' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l log-format -d 'What a line of the log is. In files text has the time and the level in front, under systemd its journal has both' -r -f -a "text\t'A sentence, for people'
json\t'An object with time, level, event and fields, for programs'"
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l log-addresses -d 'Whether the log has addresses of members and of whom operators hold off' -r -f -a "on\t''
off\t''"
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l operator-key -d 'File whose first line is the key that makes a member an operator: /op KEY. SIGHUP reads it anew; once it is another, operators have to type it again [default: nobody becomes one]' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l state -d 'File that keeps bans, mutes, topics and modes over a restart; made when it is not there, and written beside itself as FILE.new [default: none]' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l motd -d 'File whose text newcomers are shown, up to 8 KiB; SIGHUP reads it anew [default: none]' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l cluster -d 'Be a node of a cluster, whose rooms are on all its nodes: NATS servers with JetStream, such as nats://HOST:4222,tls://HOST:4222; any of them is used [default: none]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l cluster-name -d 'Name of the cluster, which keeps several apart that use the same NATS servers [default: uproar]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l cluster-creds -d 'File with a NATS user\'s credentials, as nsc makes it' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l cluster-ca -d 'File of certificates that may have signed those of the NATS servers, beside those that this machine trusts; it asks for TLS' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l cluster-replicas -d 'NATS servers that each keep all messages, if this node makes the stream [default: 1]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l cluster-history -d 'What the stream keeps for newcomers and those who come back, as a size such as 1GiB or a time such as 7d, if this node makes the stream [default: 256MiB]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l cluster-grace -d 'How long lines are held while NATS is away, before rooms become read-only [default: 10s]' -r
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l cluster-key -d 'File with 64 hexadecimal digits, the same on all nodes, so that a member may come back on another node than before: openssl rand -hex 32' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l no-sandbox -d 'Run without a sandbox: without restricting files, ports, system calls and the ring; for debugging'
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l hide-addresses -d 'Show members `guest-` and eight characters instead of their address'
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l limit-loopback -d 'Hold loopback addresses to the limits on joins and connections per address too'
complete -c uproar -n "__fish_uproar_using_subcommand serve" -l print-config -d 'Print the settings in force and where each comes from, as an environment file, and end'
complete -c uproar -n "__fish_uproar_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l wait -d 'After the last line, how long the server is given to take what was sent: it may be slowing us down' -r
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l nick -d 'Take this name first' -r
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l room -d 'Join this room first' -r
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l tls-ca -d 'File of the certificates that may have signed the server\'s, in place of those that this machine trusts' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l times -d 'Show when each line was said, in local time; TZ=UTC is another'
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l json -d 'Print each object of the server as it is, in place of a line of text; what is no object goes to the standard error'
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l plain -d 'Do not ask the server for JSON, and take its lines as they are; for servers of another kind'
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l no-reconnect -d 'On a terminal, end when the connection breaks; without it, come back to where you were'
complete -c uproar -n "__fish_uproar_using_subcommand chat" -l tls -d 'Speak TLS: the server must prove that it is the one of this name'
complete -c uproar -n "__fish_uproar_using_subcommand chat" -s h -l help -d 'Print help'
complete -c uproar -n "__fish_uproar_using_subcommand check" -l health -d 'Ask a running server whether it is well, at this address or else at that of --admin, and nothing else: one line, exit code 0 or 1. Nobody joins a room for it' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l web -d 'Serve browsers too, on this address: a page at / and /room/NAME, and WebSockets at /ws' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l web-origin -d 'Pages that may open WebSockets, such as https://chat.example,https://example.org:8443 [default: those of the host that the request names]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l irc -d 'Serve IRC clients too, on this address' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l admin -d 'Serve /metrics for Prometheus and /healthz on this address, over HTTP; :PORT is loopback here. A few connections at a time, beside --members [default: none]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l proxy-from -d 'Networks from which proxies come, such as 127.0.0.1,192.0.2.0/24. On every door but --admin they must begin each connection with a PROXY header, version 1 or 2; limits, bans and names are then those of the address that it names [default: none]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l backend -d 'How to wait for the kernel' -r -f -a "auto\t'io_uring where it works, epoll where it does not'
uring\t'io_uring, or an error'
epoll\t'The fallback where io_uring is forbidden'
select\t'The original\'s, for comparison: up to 1,024 descriptors'"
complete -c uproar -n "__fish_uproar_using_subcommand check" -l members -d 'Members at a time, such as 500, 10k or 1M; more than the descriptor limit allows needs io_uring [default: what descriptors allow; check: 19000]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l descriptors -d 'Which descriptors connections have' -r -f -a "auto\t'Normal ones up to the descriptor limit, direct ones beyond it'
normal\t'Those of the process, which its descriptor limit bounds'
direct\t'Those of io_uring, in as many tables as it takes'"
complete -c uproar -n "__fish_uproar_using_subcommand check" -l table-slots -d 'Slots of a table of direct descriptors, for tests' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l framing -d 'What ends a message: a line feed, or also the end of a received chunk for clients that send none' -r -f -a "line\t'A line feed ends a message'
chunk\t'As `line`, and what a chunk has after its last line feed is a message too, for clients that send none'"
complete -c uproar -n "__fish_uproar_using_subcommand check" -l commands -d 'Whether lines that begin with `/` are commands; there are none with --framing chunk' -r -f -a "on\t''
off\t''"
complete -c uproar -n "__fish_uproar_using_subcommand check" -l history -d 'Messages of a room that each newcomer is sent' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l history-max -d 'Most messages that `/history` sends; they count against the rate of the one who asks' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l rooms-max -d 'Most rooms at a time, the lobby among them' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l resume-for -d 'How long a member may come back with its name and without a gap after its connection has ended' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l line-bytes -d 'Longest line that a member may type' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l log-bytes -d 'Cap of a room\'s log, in each format that is read in it: how far a member may lag before it is skipped and told' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l logs-bytes -d 'Memory for the logs of all rooms together; when it is spent the quietest rooms forget their oldest lines first [default: 256 MiB, or --log-bytes where that is more]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l buffer-bytes -d 'Memory for unfinished lines, own lines and notices of all members together; while it is spent members are not read' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l slow -d 'What becomes of a member that falls off the log' -r -f -a "skip\t'It is told how many messages it missed and goes on from the oldest line kept'
close\t'It is closed'"
complete -c uproar -n "__fish_uproar_using_subcommand check" -l stall-timeout -d 'How long a member whose socket is full may take no byte before it is closed, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l dead-after -d 'How long a peer that answers nothing counts as there. In a house for more than 30,000 members at least 2 ms for each, which is 2,000 s for a million: the kernel probes silent peers, and that takes the core\'s time' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l line-timeout -d 'How long a line that was begun may make no progress before its author is closed, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l flood-rate -d 'Lines a second that a member may say; more are delayed, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l flood-burst -d 'Lines that a member may say at once' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l address-rate -d 'Lines a second that one address (IPv6: one /64 network) may say over all its connections, with a burst in proportion; more are delayed, 0 for no limit, and none with --flood-rate 0. A proxy in front is one address [default: 4 times --flood-rate]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l room-rate -d 'Bytes a second of fan-out that members may cause together; more lines are delayed, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l join-rate -d 'Joins a second from one address (IPv6: one /64 network), five times as many at once; 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l connections-per-address -d 'Connections at a time from one address (IPv6: one /64 network), 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l stats-interval -d 'How often to log the statistics line, which SIGUSR1 asks for at any time [default: never]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l announce-max -d 'Room size up to which each join and leave is announced; above it they are summed up, once a second up to 4,000 members and more rarely above, once in 250 s with a million' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l announce-rate -d 'Lines a second that announce a single join or leave, five times as many at once; more are summed up, 0 for no limit' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l transcript -d 'Where to write what is said: - for the standard output, a file, which SIGHUP opens anew, or off [default: - on a terminal, else off]' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand check" -l log -d 'Where to write the log: - for the standard error, or a file, which SIGHUP opens anew' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand check" -l log-format -d 'What a line of the log is. In files text has the time and the level in front, under systemd its journal has both' -r -f -a "text\t'A sentence, for people'
json\t'An object with time, level, event and fields, for programs'"
complete -c uproar -n "__fish_uproar_using_subcommand check" -l log-addresses -d 'Whether the log has addresses of members and of whom operators hold off' -r -f -a "on\t''
off\t''"
complete -c uproar -n "__fish_uproar_using_subcommand check" -l operator-key -d 'File whose first line is the key that makes a member an operator: /op KEY. SIGHUP reads it anew; once it is another, operators have to type it again [default: nobody becomes one]' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand check" -l state -d 'File that keeps bans, mutes, topics and modes over a restart; made when it is not there, and written beside itself as FILE.new [default: none]' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand check" -l motd -d 'File whose text newcomers are shown, up to 8 KiB; SIGHUP reads it anew [default: none]' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand check" -l cluster -d 'Be a node of a cluster, whose rooms are on all its nodes: NATS servers with JetStream, such as nats://HOST:4222,tls://HOST:4222; any of them is used [default: none]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l cluster-name -d 'Name of the cluster, which keeps several apart that use the same NATS servers [default: uproar]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l cluster-creds -d 'File with a NATS user\'s credentials, as nsc makes it' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand check" -l cluster-ca -d 'File of certificates that may have signed those of the NATS servers, beside those that this machine trusts; it asks for TLS' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand check" -l cluster-replicas -d 'NATS servers that each keep all messages, if this node makes the stream [default: 1]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l cluster-history -d 'What the stream keeps for newcomers and those who come back, as a size such as 1GiB or a time such as 7d, if this node makes the stream [default: 256MiB]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l cluster-grace -d 'How long lines are held while NATS is away, before rooms become read-only [default: 10s]' -r
complete -c uproar -n "__fish_uproar_using_subcommand check" -l cluster-key -d 'File with 64 hexadecimal digits, the same on all nodes, so that a member may come back on another node than before: openssl rand -hex 32' -r -F
complete -c uproar -n "__fish_uproar_using_subcommand check" -l no-sandbox -d 'Run without a sandbox: without restricting files, ports, system calls and the ring; for debugging'
complete -c uproar -n "__fish_uproar_using_subcommand check" -l hide-addresses -d 'Show members `guest-` and eight characters instead of their address'
complete -c uproar -n "__fish_uproar_using_subcommand check" -l limit-loopback -d 'Hold loopback addresses to the limits on joins and connections per address too'
complete -c uproar -n "__fish_uproar_using_subcommand check" -l print-config -d 'Print the settings in force and where each comes from, as an environment file, and end'
complete -c uproar -n "__fish_uproar_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c uproar -n "__fish_uproar_using_subcommand help; and not __fish_seen_subcommand_from serve chat check help" -f -a "serve" -d 'Serve a chat room'
complete -c uproar -n "__fish_uproar_using_subcommand help; and not __fish_seen_subcommand_from serve chat check help" -f -a "chat" -d 'Talk in a chat room, on a terminal or through pipes'
complete -c uproar -n "__fish_uproar_using_subcommand help; and not __fish_seen_subcommand_from serve chat check help" -f -a "check" -d 'See whether this machine is ready to serve, and how to make it so; changes nothing'
complete -c uproar -n "__fish_uproar_using_subcommand help; and not __fish_seen_subcommand_from serve chat check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'

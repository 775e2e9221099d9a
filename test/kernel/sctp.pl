#!/usr/bin/perl
# The first two packets of an SCTP association, over raw sockets, so that SCTP rules meet real packets: neither node nor
# many kernels speak SCTP, while connection tracking and NAT for it are nearly always there, and so is perl on Debian.
#
#   sctp.pl serve NAME PORT…                   answers each INIT with an INIT ACK whose cookie is "NAME SOURCE PORT"
#   sctp.pl probe TO PORT COUNT TIMEOUT_MS [FROM]
#                                              one line an attempt: MS answer LINE, or MS error CODE
use strict;
use warnings;
use Socket qw(:all);
use Time::HiRes qw(time);

use constant { SCTP => 132, TYPE_INIT => 1, TYPE_INIT_ACK => 2, COOKIE_PARAMETER => 7 };
$| = 1;

# CRC32c, the checksum of SCTP: connection tracking drops what has a wrong one.
my @crc_table = map {
    my $crc = $_;
    $crc = $crc & 1 ? ($crc >> 1) ^ 0x82F63B78 : $crc >> 1 for 1 .. 8;
    $crc;
} 0 .. 255;

sub crc32c {
    my ($bytes) = @_;
    my $crc = 0xFFFFFFFF;
    $crc = $crc_table[($crc ^ $_) & 0xFF] ^ ($crc >> 8) for unpack 'C*', $bytes;
    return $crc ^ 0xFFFFFFFF;
}

# A packet with one INIT or INIT ACK chunk.
sub packet {
    my ($source_port, $port, $tag, $type, $parameters) = @_;
    my $body = pack('N N n n N', 1 + int rand 0xFFFFFFFE, 65536, 1, 1, 1) . $parameters;
    my $chunk = pack('C C n', $type, 0, 4 + length $body) . $body . "\0" x (-length($body) % 4);
    my $header = pack('n n N', $source_port, $port, $tag);
    return $header . pack('V', crc32c($header . "\0\0\0\0" . $chunk)) . $chunk;
}

# The ports, the kind of chunk, the sender's tag and the parameters of what a raw socket received.
sub parse {
    my ($bytes, $family) = @_;
    # Only IPv4 hands over its own header too.
    $bytes = substr $bytes, 4 * (ord($bytes) & 15) if $family == AF_INET;
    return if length $bytes < 32;
    my ($source_port, $port, undef, undef, $type, undef, undef, $tag) = unpack 'n n N N C C n N', $bytes;
    return { source_port => $source_port, port => $port, type => $type, tag => $tag, parameters => substr $bytes, 32 };
}

sub raw_socket {
    my ($family) = @_;
    socket(my $socket, $family, SOCK_RAW, SCTP) or die "raw socket: $!\n";
    return $socket;
}

sub address {
    my ($text) = @_;
    return $text =~ /:/
        ? (AF_INET6, pack_sockaddr_in6(0, inet_pton(AF_INET6, $text)))
        : (AF_INET, pack_sockaddr_in(0, inet_pton(AF_INET, $text)));
}

sub readable {
    my ($seconds, @sockets) = @_;
    my $bits = '';
    vec($bits, fileno $_, 1) = 1 for @sockets;
    select $bits, undef, undef, $seconds;
    return grep { vec $bits, fileno $_, 1 } @sockets;
}

sub serve {
    my ($name, @ports) = @_;
    my %family = map { my $socket = raw_socket($_); (fileno $socket, [$_, $socket]) } AF_INET, AF_INET6;
    print "ready\n";
    # Ends with its parent: nothing is ever written to this standard input.
    while (1) {
        for my $ready (readable(undef, *STDIN, map { $_->[1] } values %family)) {
            exit 0 if fileno $ready == fileno STDIN;
            my $family = $family{ fileno $ready }[0];
            my $peer = recv $ready, my $bytes, 65536, 0;
            my $init = parse($bytes // '', $family) or next;
            next if $init->{type} != TYPE_INIT or !grep { $_ == $init->{port} } @ports;
            my $from = inet_ntop($family,
                $family == AF_INET ? (unpack_sockaddr_in($peer))[1] : (unpack_sockaddr_in6($peer))[1]);
            my $line = "$name $from $init->{port}";
            my $cookie = pack('n n', COOKIE_PARAMETER, 4 + length $line) . $line;
            send $ready, packet($init->{port}, $init->{source_port}, $init->{tag}, TYPE_INIT_ACK, $cookie), 0, $peer;
        }
    }
}

sub attempt {
    my ($socket, $family, $port, $timeout) = @_;
    my $source_port = 20000 + int rand 40000;
    my $until = time + $timeout;
    send $socket, packet($source_port, $port, 0, TYPE_INIT, ''), 0 or return 'error ' . code();
    while ((my $left = $until - time) > 0) {
        readable($left, $socket) or last;
        defined recv $socket, my $bytes, 65536, 0 or return 'error ' . code();
        my $reply = parse($bytes, $family) or next;
        next if $reply->{port} != $source_port or $reply->{type} != TYPE_INIT_ACK;
        my (undef, $length) = unpack 'n n', $reply->{parameters};
        return 'answer ' . substr $reply->{parameters}, 4, $length - 4;
    }
    return 'error TIMEOUT';
}

sub code { return $!{ECONNREFUSED} ? 'ECONNREFUSED' : "$!" }

my ($command, @arguments) = @ARGV;
if (($command // '') eq 'serve') {
    serve(@arguments);
} elsif (($command // '') eq 'probe') {
    my ($to, $port, $count, $timeout, $from) = @arguments;
    my ($family, $peer) = address($to);
    for (1 .. $count) {
        my $socket = raw_socket($family);
        bind $socket, (address($from))[1] or die "bind $from: $!\n" if defined $from;
        # Only a connected socket is told of a rejection.
        connect $socket, $peer or die "connect $to: $!\n";
        my $begin = time;
        my $result = attempt($socket, $family, $port, $timeout / 1000);
        printf "%d %s\n", (time - $begin) * 1000, $result;
    }
} else {
    die "usage: sctp.pl serve NAME PORT… | probe TO PORT COUNT TIMEOUT_MS [FROM]\n";
}

use super::*;

/// Of Linux 6.12.
const TEXT: &str = "   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
      2A    1A2B4        0         12F00D00                0

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       1        A        0              7D0                0
";

#[test]
fn totals_are_the_first_line_of_numbers_in_hexadecimal() {
    let expected = Statistics {
        connections: 42,
        incoming_packets: 0x1A2B4,
        outgoing_packets: 0,
        incoming_bytes: 0x12F0_0D00,
        outgoing_bytes: 0,
    };
    assert_eq!(parse(TEXT), Some(expected));
}

#[test]
fn text_without_five_counters_is_no_total() {
    let short = TEXT.replace("12F00D00", "");
    let headings: String = TEXT.lines().take(2).collect();
    for text in ["", &headings, &short, &TEXT.replace("2A", "2-")] {
        assert_eq!(parse(text), None, "{text}");
    }
}

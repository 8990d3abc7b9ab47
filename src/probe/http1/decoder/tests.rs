use super::*;

/// The data that come out of `parts`, and whether the body is whole then.
fn decoded(length: BodyLength, parts: &[&[u8]]) -> Result<(Vec<u8>, bool), InvalidBody> {
    let mut decoder = Decoder::new(length);
    let mut data = Vec::new();
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() && !decoder.is_whole() {
            let found = decoder.decode(rest)?;
            data.extend_from_slice(&rest[found.data]);
            rest = &rest[found.taken..];
        }
    }
    Ok((data, decoder.is_whole()))
}

#[track_caller]
fn assert_decoded(length: BodyLength, parts: &[&[u8]], data: &str, is_whole: bool) {
    let expected = (data.as_bytes().to_vec(), is_whole);
    assert_eq!(decoded(length, parts), Ok(expected), "{parts:?}");
}

#[test]
fn known_length_ends_the_body() {
    let known = BodyLength::Known(4);
    assert_decoded(known, &[b"we", b"ll and more"], "well", true);
    assert_decoded(known, &[b"we"], "we", false);
    assert_decoded(BodyLength::Known(0), &[b"more"], "", true);
}

#[test]
fn body_until_close_is_never_whole() {
    assert_decoded(BodyLength::UntilClose, &[b"we", b"ll"], "well", false);
    assert!(Decoder::new(BodyLength::UntilClose).ends_with_connection());
    assert!(!Decoder::new(BodyLength::Chunked).ends_with_connection());
}

#[test]
fn chunks_are_joined_wherever_they_are_cut() {
    for body in [
        b"2\r\nwe\r\n2\r\nll\r\n0\r\n\r\n".as_slice(),
        b"02 \t\r\nwe\r\n2;name=value\r\nll\r\n000\r\n\r\n",
        b"2\r\nwe\r\n2 ; x\r\nll\r\n0;end\r\nTrailer: x\r\nOther: y\r\n\r\n",
        b"4\r\nwell\r\n0\r\n\r\nand more",
    ] {
        for cut in 0..body.len() {
            let (first, second) = body.split_at(cut);
            assert_decoded(BodyLength::Chunked, &[first, second], "well", true);
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_decoded(BodyLength::Chunked, &bytes, "well", true);
    }
    assert_decoded(BodyLength::Chunked, &[b"1f\r\n"], "", false);
}

#[test]
fn chunks_that_are_not_well_formed_are_refused() {
    let long = format!("1;{}", "x".repeat(MAX_EXTENSIONS));
    let trailer = format!("0\r\na: {}", "x".repeat(MAX_TRAILERS));
    let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(MAX_TRAILER_LINES + 1));
    for body in [
        b"zz\r\n".as_slice(),
        b"\r\n",
        b"2\n",
        b"2\rx",
        b"2 2\r\n",
        b"2;a\nb",
        b"2\r\nwell\r\n",
        b"2\r\nwe\rx",
        b"10000000000000000\r\n",
        b"0\r\nnone\r\n\r\n",
        b"0\r\na: b\rx",
        long.as_bytes(),
        trailer.as_bytes(),
        trailers.as_bytes(),
    ] {
        let found = decoded(BodyLength::Chunked, &[body]);
        assert_eq!(found, Err(InvalidBody), "{}", body.escape_ascii());
    }
}

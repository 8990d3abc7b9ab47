//! The head of an answer. Pure.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response};
use thiserror::Error;

/// The most header lines of an answer.
const MAX_HEADERS: usize = 256;

/// What a head says of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) length: BodyLength,
}

/// Where the body of an answer ends (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    Known(u64),
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Bytes that are no head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum HeadError {
    #[error("not an HTTP answer")]
    NotHttp,
    #[error("the head of the answer is too large")]
    TooLarge,
}

impl Head {
    /// Whether another head follows. A server that switches protocols says nothing more in
    /// this one.
    pub(super) fn is_interim(self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// The head at the start of `bytes` and its length; `None` if more bytes are needed.
/// `asked_head` tells that the method was `HEAD`, whose answers have no body.
pub(super) fn parse(bytes: &[u8], asked_head: bool) -> Result<Option<(Head, usize)>, HeadError> {
    let mut headers = [MaybeUninit::uninit(); MAX_HEADERS];
    let mut response = Response::new(&mut []);
    let mut config = ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let taken = match parsed {
        Ok(httparse::Status::Complete(taken)) => taken,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
        Err(
            httparse::Error::HeaderName
            | httparse::Error::HeaderValue
            | httparse::Error::NewLine
            | httparse::Error::Status
            | httparse::Error::Token
            | httparse::Error::Version,
        ) => return Err(HeadError::NotHttp),
    };
    let (Some(status @ 100..), Some(version)) = (response.code, response.version) else {
        return Err(HeadError::NotHttp);
    };
    let has_no_body = asked_head || matches!(status, 100..200 | 204 | 304);
    let length = if has_no_body {
        BodyLength::Known(0)
    } else {
        body_length(version, response.headers)?
    };
    Ok(Some((Head { status, length }, taken)))
}

/// Whether an empty line is in `bytes`, as at the end of a head.
pub(super) fn has_empty_line(bytes: &[u8]) -> bool {
    let has = |end: &[u8]| bytes.windows(end.len()).any(|window| window == end);
    has(b"\n\n") || has(b"\n\r\n")
}

fn body_length(version: u8, headers: &[Header<'_>]) -> Result<BodyLength, HeadError> {
    let values = |name: &'static str| {
        let named = move |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
        headers.iter().filter(named).map(|header| header.value)
    };
    if let Some(encodings) = values("transfer-encoding").next_back() {
        // HTTP/1.0 has no transfer encodings.
        if version == 0 {
            return Err(HeadError::NotHttp);
        }
        let last = encodings.rsplit(|byte| *byte == b',').next();
        let is_chunked =
            last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        return Ok(if is_chunked {
            BodyLength::Chunked
        } else {
            BodyLength::UntilClose
        });
    }
    let mut known = None;
    let lengths = values("content-length");
    for length in lengths.flat_map(|value| value.split(|byte| *byte == b',')) {
        let length = number(length.trim_ascii()).ok_or(HeadError::NotHttp)?;
        if known.is_some_and(|known| known != length) {
            return Err(HeadError::NotHttp);
        }
        known = Some(length);
    }
    Ok(known.map_or(BodyLength::UntilClose, BodyLength::Known))
}

/// Digits alone, without a sign.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;

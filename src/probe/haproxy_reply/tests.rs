use super::*;

fn reply(line: &str) -> Result<(String, Option<WeightAdvice>), (ProbeResult, String)> {
    let result = HaproxyReply::parse(line.as_bytes()).and_then(HaproxyReply::exchange_result);
    match result {
        Ok(pass) => Ok((pass.detail, pass.advice)),
        Err(failure) => Err((failure.result, failure.detail)),
    }
}

#[test]
fn the_words_of_haproxy() {
    let weight = |weight| WeightAdvice::Weight(Weight::new(weight).unwrap());
    for (line, detail, advice) in [
        ("up\n", "says up", None),
        ("75%\n", "says 75%", Some(WeightAdvice::Percent(75))),
        ("up 0%", "says 0%", Some(WeightAdvice::Percent(0))),
        (
            "READY, 100%\r\n",
            "says 100%",
            Some(WeightAdvice::Percent(100)),
        ),
        ("50% ready", "says 50%", Some(WeightAdvice::Percent(50))),
        ("ready", "says ready", Some(WeightAdvice::Ready)),
        (
            "drain # a disk is full\n",
            "says drain: a disk is full",
            Some(WeightAdvice::Drain),
        ),
        ("drain 50%", "says drain", Some(WeightAdvice::Drain)),
        (
            "down up 250%",
            "says 250%",
            Some(WeightAdvice::Percent(250)),
        ),
        ("10% 20%", "says 20%", Some(WeightAdvice::Percent(20))),
        (
            "up\t30%\rignored",
            "says 30%",
            Some(WeightAdvice::Percent(30)),
        ),
        ("maint\n", "says maint", Some(WeightAdvice::Drain)),
        ("40\nignored", "says weight 40", Some(weight(40))),
        ("maxconn:30 up", "says up", None),
        ("maxconn:30", "says only a limit of connections", None),
        (
            "maxconn:30 75%",
            "says 75%",
            Some(WeightAdvice::Percent(75)),
        ),
        ("", "says nothing", None),
        ("# up 50%", "says nothing: up 50%", None),
        (
            "75% because load\n",
            "says 75%: because load",
            Some(WeightAdvice::Percent(75)),
        ),
        (
            "75%, since 20% of the disk is down",
            "says 75%: since 20% of the disk is down",
            Some(WeightAdvice::Percent(75)),
        ),
        ("40 of 100", "says weight 40: of 100", Some(weight(40))),
        ("75% -1%", "says 75%: -1%", Some(WeightAdvice::Percent(75))),
        (
            "75% # why",
            "says 75%: why",
            Some(WeightAdvice::Percent(75)),
        ),
        ("up \u{1b}[2J", "says up:  [2J", None),
        (
            "ready again",
            "says ready: again",
            Some(WeightAdvice::Ready),
        ),
        (
            "maxconn:3 few",
            "says only a limit of connections: few",
            None,
        ),
    ] {
        assert_eq!(reply(line), Ok((detail.to_owned(), advice)), "{line:?}");
    }
    for (line, detail) in [
        ("down", "says down"),
        ("down # why", "says down: why"),
        (
            "down since the disk is up",
            "says down: since the disk is up",
        ),
        ("DOWN disk is full\r\n", "says down: disk is full"),
        ("FAIL\n", "says fail"),
        ("failed # \u{1b}[2J", "says failed:  [2J"),
        ("stopped 50%", "says stopped"),
        ("up down", "says down"),
    ] {
        let down = detail.to_owned();
        assert_eq!(reply(line), Err((ProbeResult::Status, down)), "{line:?}");
    }
}

#[test]
fn what_is_no_advice_is_told() {
    for (line, word) in [
        ("perhaps", "perhaps"),
        ("7.5%", "7.5%"),
        ("-1%", "-1%"),
        ("%", "%"),
        ("2147483648", "2147483648"),
        ("\u{1b}[2J", "\\u{1b}[2J"),
        ("perhaps 75%", "perhaps"),
        ("because down", "because"),
        // A `#` within a word begins no text, as with HAProxy.
        ("down#why", "down#why"),
    ] {
        let detail = format!("`{word}` is no advice");
        assert_eq!(
            reply(line),
            Err((ProbeResult::Protocol, detail)),
            "{line:?}"
        );
    }
    assert!(HaproxyReply::parse(b"\xff\xfe\x00").is_err());
}

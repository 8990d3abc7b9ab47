use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::connection_slots::{ConnectionSlots, End};
use super::*;

async fn reader() -> Arc<ConnectionSlot> {
    Arc::new(ConnectionSlots::default()).take(None).await
}

fn plain(large: Large) -> Wanted {
    Wanted {
        large,
        encoding: Encoding::Identity,
    }
}

fn counted(count: &Arc<AtomicUsize>) -> impl FnOnce(&mut Sink) -> Result<(), RenderError> + use<> {
    let count = Arc::clone(count);
    move |sink| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        Ok(sink.write_all(number.to_string().as_bytes())?)
    }
}

#[tokio::test]
async fn readers_that_wait_share_what_is_rendered_next() {
    let renderings = Arc::new(Renderings::default());
    let count = Arc::new(AtomicUsize::new(0));
    let turn = Arc::clone(&renderings.turn).lock_owned().await;
    let readers = (0..20).map(|_| {
        let (renderings, count) = (Arc::clone(&renderings), counted(&count));
        tokio::spawn(async move {
            let reader = reader().await;
            let shown = renderings.get(plain(Large::Status), &reader, count).await;
            (shown.unwrap(), reader)
        })
    });
    let readers: Vec<_> = readers.collect();
    while renderings.status.lock().waiting < 20 {
        tokio::task::yield_now().await;
    }
    drop(turn);
    for reader in readers {
        assert_eq!(&reader.await.unwrap().0[..], b"0");
    }
    assert!(renderings.status.lock().kept.is_none(), "nobody waits");
    let again = renderings
        .get(plain(Large::Status), &reader().await, counted(&count))
        .await;
    assert_eq!(
        &again.unwrap()[..],
        b"1",
        "whoever asks later sees what is new"
    );
}

#[tokio::test]
async fn slow_readers_keep_two_renderings_in_memory() {
    let renderings = Renderings::default();
    let count = Arc::new(AtomicUsize::new(0));
    let metrics = plain(Large::Metrics(Format::Text));
    let mut readers = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..10 {
        let reader = reader().await;
        let text = renderings
            .get(metrics.clone(), &reader, counted(&count))
            .await;
        let text = text.unwrap();
        seen.push(String::from_utf8(text.to_vec()).unwrap());
        readers.push((reader, text));
    }
    assert_eq!(seen, ["0", "1", "1", "1", "1", "1", "1", "1", "1", "1"]);
    let aged = clock::monotonic().checked_add(READING_TIME).unwrap();
    let found = renderings.metrics.lock().there(&metrics, aged, aged);
    assert!(matches!(found, Found::Nothing));
    // The oldest one's reader ends.
    assert_eq!(readers[0].0.ended().await, End::Displaced);
}

#[tokio::test]
async fn readers_of_different_parts_share_no_rendering_and_its_memory_is_bounded() {
    let renderings = Renderings::default();
    let count = Arc::new(AtomicUsize::new(0));
    let part = |name: &str| {
        plain(Large::FilteredStatus(Filter {
            targets: vec![name.parse().unwrap()],
            problems: false,
        }))
    };
    let mut readers = Vec::new();
    for (name, expected) in [("a", "0"), ("b", "1"), ("a", "0"), ("b", "1")] {
        let reader = reader().await;
        let text = renderings.get(part(name), &reader, counted(&count)).await;
        let text = text.unwrap();
        assert_eq!(text, expected, "{name}");
        readers.push((reader, text));
    }
    let text = renderings
        .get(part("c"), &reader().await, counted(&count))
        .await;
    assert!(matches!(text, Err(RenderError::TooMany)), "{text:?}");
}

#[tokio::test]
async fn rendering_that_panics_is_an_error_of_its_reader_alone() {
    let renderings = Renderings::default();
    let reader = reader().await;
    let panics = |_: &mut Sink| panic!("a bug");
    let error = renderings.get(plain(Large::Page), &reader, panics).await;
    assert!(matches!(error, Err(RenderError::Ended)));
    let text = renderings
        .get(
            plain(Large::Page),
            &reader,
            |sink| Ok(sink.write_all(b"x")?),
        )
        .await;
    assert_eq!(&text.unwrap()[..], b"x");
}

#[tokio::test]
async fn readers_of_another_format_or_encoding_share_no_rendering() {
    let renderings = Renderings::default();
    let count = Arc::new(AtomicUsize::new(0));
    let text = Large::Metrics(Format::Text);
    let mut readers = Vec::new();
    for (wanted, expected) in [
        (plain(text.clone()), "0"),
        (plain(Large::Metrics(Format::OpenMetrics)), "1"),
        (plain(text.clone()), "0"),
    ] {
        let reader = reader().await;
        let shown = renderings.get(wanted, &reader, counted(&count)).await;
        let shown = shown.unwrap();
        assert_eq!(shown, expected);
        readers.push((reader, shown));
    }
    readers.clear();
    let compressed = Wanted {
        large: text,
        encoding: Encoding::Gzip,
    };
    let shown = renderings
        .get(compressed, &reader().await, counted(&count))
        .await;
    let shown = shown.unwrap();
    assert!(shown.starts_with(&[0x1f, 0x8b]), "{shown:?}");
}

use super::*;

#[test]
fn value_counts_up_to_its_bound_and_every_larger_one() {
    let histogram = Histogram::new(&DETECTION_BOUNDS);
    for milliseconds in [499, 500, 501, 3000, 60_000, 60_001] {
        histogram.observe(Duration::from_millis(milliseconds));
    }
    let values = histogram.values();
    let counts: Vec<_> = values.up_to.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [2, 3, 3, 4, 4, 4, 4, 5]);
    assert_eq!(
        (values.count, values.sum),
        (6, Duration::from_millis(124_501))
    );
}

#[test]
fn bounds_rise() {
    assert!(PROBE_BOUNDS.is_sorted() && DETECTION_BOUNDS.is_sorted());
    let doubled = PROBE_BOUNDS.iter().zip(PROBE_BOUNDS.iter().skip(1));
    assert!(doubled.into_iter().all(|(one, next)| *one * 2 == *next));
}

#[test]
fn histograms_of_a_service_take_little_memory() {
    assert!(size_of::<ServiceHistograms>() <= 240);
}

//! How long each step takes.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lvs_agent_bench_library::BENCHMARKS;

fn steps(criterion: &mut Criterion) {
    for benchmark in BENCHMARKS {
        let mut group = criterion.benchmark_group(benchmark.name);
        group.throughput(Throughput::Elements(benchmark.elements));
        let mut step = (benchmark.prepare)();
        group.bench_function("step", |bencher| bencher.iter(&mut step));
        group.finish();
    }
}

criterion_group!(all, steps);
criterion_main!(all);

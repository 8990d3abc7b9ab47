//! `lvs-agent-bench-library`: the names of all steps. `lvs-agent-bench-library NAME COUNT`: makes
//! one step COUNT times in the function `measured`, which callgrind counts.

use std::process::ExitCode;

use lvs_agent_bench_library::BENCHMARKS;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = arguments.as_slice() else {
        for benchmark in BENCHMARKS {
            println!("{} {}", benchmark.name, benchmark.elements);
        }
        return ExitCode::SUCCESS;
    };
    let found = BENCHMARKS.into_iter().find(|one| one.name == name);
    let (Some(benchmark), Ok(count)) = (found, count.parse()) else {
        eprintln!("usage: lvs-agent-bench-library [NAME COUNT]");
        return ExitCode::FAILURE;
    };
    let mut step = (benchmark.prepare)();
    // What is made once only, such as the capacity of a buffer, does not count.
    step();
    measured(&mut *step, count);
    ExitCode::SUCCESS
}

#[inline(never)]
fn measured(step: &mut dyn FnMut(), count: u32) {
    for _ in 0..count {
        step();
    }
}

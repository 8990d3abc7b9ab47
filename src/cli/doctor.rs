use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::{CommandFailure, ExitStatus, load, write_json};
use crate::cli::arguments::DoctorArguments;
use crate::cli::terminal::counted;
use crate::doctor::{self, Finding, Verdict};
use crate::status::Mode;

/// An element of what `doctor --json` prints.
#[derive(Serialize)]
struct FindingResponse<'f> {
    check: &'static str,
    subject: &'f str,
    verdict: &'static str,
    message: &'f str,
    fix: Option<&'f str>,
}

pub(super) async fn run(arguments: DoctorArguments) -> Result<ExitStatus, CommandFailure> {
    let config = load(&arguments.config.path)?;
    let mode = if arguments.real_server {
        Mode::RealServer
    } else {
        Mode::Director
    };
    let facts = doctor::gather(&config, &arguments.config.path, mode).await?;
    let findings = doctor::examine(&config, &facts);
    let mut stdout = io::stdout().lock();
    if arguments.json {
        let findings: Vec<_> = findings.iter().map(response).collect();
        write_json(&mut stdout, &findings)?;
    } else {
        render(&findings, &mut stdout)?;
    }
    stdout.flush()?;
    let problem = |finding: &Finding| finding.verdict == Verdict::Problem;
    Ok(if findings.iter().any(problem) {
        ExitStatus::Findings
    } else {
        ExitStatus::Success
    })
}

fn response(finding: &Finding) -> FindingResponse<'_> {
    FindingResponse {
        check: finding.check,
        subject: &finding.subject,
        verdict: finding.verdict.as_str(),
        message: &finding.message,
        fix: finding.fix.as_deref(),
    }
}

/// So many findings that say the same of different subjects have a line each.
const ALIKE: usize = 8;

/// How many findings say the same as each, and how many of them come before it.
fn alike(findings: &[Finding]) -> Vec<(usize, usize)> {
    let said = |finding: &Finding| (finding.check, finding.verdict, finding.message.clone());
    let mut numbers = BTreeMap::new();
    let places: Vec<usize> = findings
        .iter()
        .map(|finding| {
            let number: &mut usize = numbers.entry(said(finding)).or_default();
            *number += 1;
            *number - 1
        })
        .collect();
    let number = |finding: &Finding| numbers.get(&said(finding)).copied().unwrap_or_default();
    findings.iter().map(number).zip(places).collect()
}

/// One line each, the fix of what is not ok below it, and a line of how many.
/// Of many that say the same, the first stands for all.
fn render(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for (finding, (number, before)) in findings.iter().zip(alike(findings)) {
        if number > ALIKE && before > 0 {
            continue;
        }
        let more = match number {
            ..=ALIKE => String::new(),
            number => format!(" and {} more", number - 1),
        };
        let Finding {
            check,
            subject,
            verdict,
            message,
            fix,
        } = finding;
        let verdict = verdict.as_str();
        writeln!(out, "{verdict:<8} {check:<13} {subject}{more}: {message}")?;
        if let Some(fix) = fix {
            writeln!(out, "{:<8} {:<13} fix: {fix}", "", "")?;
        }
    }
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    writeln!(
        out,
        "{}, {}, {} ok",
        counted(count(Verdict::Problem), "problem"),
        counted(count(Verdict::Warning), "warning"),
        count(Verdict::Ok)
    )
}

#[cfg(test)]
mod tests;

//! `lvs-agent doctor`: the findings as text or JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::{CommandFailure, ExitStatus, load, write_json};
use crate::cli::arguments::DoctorArguments;
use crate::doctor::{self, Finding, FindingSeverity};
use crate::model::{Role, counted};

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
    let role = if arguments.real_server {
        Role::RealServer
    } else {
        Role::Director
    };
    let facts = doctor::gather(&config, &arguments.config.path, role).await?;
    let findings = doctor::examine(&config, &facts);
    let mut stdout = io::stdout().lock();
    let is_shown = |finding: &Finding| arguments.all || finding.verdict != FindingSeverity::Ok;
    if arguments.json {
        let shown = findings.iter().filter(|finding| is_shown(finding));
        let shown: Vec<_> = shown.map(response).collect();
        write_json(&mut stdout, &shown)?;
    } else {
        render(&findings, is_shown, &mut stdout)?;
    }
    stdout.flush()?;
    let problem = |finding: &Finding| finding.verdict == FindingSeverity::Problem;
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
    let identity = |finding: &Finding| (finding.check, finding.verdict, finding.message.clone());
    let mut numbers = BTreeMap::new();
    let places: Vec<usize> = findings
        .iter()
        .map(|finding| {
            let number: &mut usize = numbers.entry(identity(finding)).or_default();
            *number += 1;
            *number - 1
        })
        .collect();
    let number = |finding: &Finding| numbers.get(&identity(finding)).copied().unwrap_or_default();
    findings.iter().map(number).zip(places).collect()
}

/// A line for each finding that is shown, its fix below it, and a line that counts all
/// findings. The first of many that say the same stands for all of them.
fn render(
    findings: &[Finding],
    is_shown: impl Fn(&Finding) -> bool,
    out: &mut impl Write,
) -> io::Result<()> {
    for (finding, (number, before)) in findings.iter().zip(alike(findings)) {
        if !is_shown(finding) || (number > ALIKE && before > 0) {
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
        counted(count(FindingSeverity::Problem), "problem"),
        counted(count(FindingSeverity::Warning), "warning"),
        count(FindingSeverity::Ok)
    )
}

#[cfg(test)]
mod tests;

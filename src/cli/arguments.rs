//! The command line: argument types, no behaviour.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::agent::decisions::LONGEST_DEADLINE;
use crate::config::Config;
use crate::control::Reason;
use crate::import::Format;
use crate::model::{ParseError, SetWeight, Target};
use crate::runtime::logging::LogFormat;

/// Health-checking agent for Linux Virtual Server.
///
/// On a director it checks each real server, by default over HTTP, and sets its
/// weight in the kernel's IPVS table. With `run --real-server` it puts the VIPs
/// on lo and sets the ARP sysctls of direct routing.
#[derive(Debug, Parser)]
#[command(
    name = "lvs-agent",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(after_help = "\
Environment:
  LVS_AGENT_CONFIG  The configuration file where --config names none
  LVS_AGENT_LOG     What `run` logs: a level, or a filter such as warn,lvs_agent=debug

Exit codes:
  0 done (plan: nothing to change)
  1 failed
  2 bad usage or bad configuration
  3 plan found changes, or doctor or status --exit-code a problem")]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the agent: a director, or with --real-server the agent on a real server
    #[command(after_help = "\
Environment:
  LVS_AGENT_LOG  What is logged: a level (error, warn, info, debug, trace), or a filter such as
                 warn,lvs_agent=debug; default: info")]
    Run(RunArguments),
    /// Show every problem of a configuration file at once, each with its place
    CheckConfig(CheckConfigArguments),
    /// Print another program's configuration as one of lvs-agent
    ///
    /// The comments of the configuration, and lines on standard error, name
    /// everything that has no equal or that means something else here.
    Import(ImportArguments),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Print the completions of a shell
    Completions(CompletionsArguments),
    /// Write the manual pages into a directory
    Man(ManArguments),
    /// Show what `run` would change in this kernel now, as + ~ - lines; exit 3 if anything
    Plan(PlanArguments),
    /// Let real servers get no new connections; established ones go on
    Drain(DrainArguments),
    /// Return drained real servers to service
    Undrain(UndrainArguments),
    /// Set the weight of real servers in place of the configured one
    ///
    /// The weight stays through reloads and restarts of the agent until it is reset. A
    /// real server that is down or drained has weight 0 all the same. Use `drain`, not a
    /// weight of 0, for maintenance: a drain shows when the last connection has ended.
    /// Options stand before the first target or after the weight.
    Weight(WeightArguments),
    /// Let the running agent read its configuration again
    Reload(ControlSocket),
    /// Show the state of the agent that runs on this machine
    Status(StatusArguments),
    /// Remove from the kernel all that this agent owns
    Cleanup(CleanupArguments),
    /// Look at everything once, say what is wrong and how to fix it; exit 3 for a problem
    Doctor(DoctorArguments),
}

/// The environment variable that names the configuration file.
pub(crate) const CONFIG_VARIABLE: &str = "LVS_AGENT_CONFIG";

/// `None` where the variable is empty: clap would report `--config` without a value.
fn config_variable() -> Option<&'static str> {
    let is_empty = env::var_os(CONFIG_VARIABLE).is_some_and(|value| value.is_empty());
    (!is_empty).then_some(CONFIG_VARIABLE)
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        env = config_variable(),
        default_value = Config::DEFAULT_PATH
    )]
    pub(crate) path: PathBuf,
}

#[derive(Debug, Args)]
#[command(mut_arg("path", |path| path.help("The configuration file; `-` is standard input")))]
pub(crate) struct CheckConfigArguments {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// The directory in which `include` begins; default: the file's own
    #[arg(long, value_name = "DIR")]
    pub(crate) base_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// What is imported
    #[arg(value_enum)]
    pub(crate) format: Format,
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The directory, which is there
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Be the agent on a real server: VIPs on lo, ARP sysctls
    #[arg(long)]
    pub(crate) real_server: bool,
    /// Observe and log what would be done, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Where the IPVS table is kept; `memory` is for trying it out where the kernel has no IPVS
    #[arg(long, value_enum, default_value_t = Table::Kernel)]
    pub(crate) table: Table,
    /// The form of the log on standard error; default: journald where that is the journal, else text
    #[arg(long, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// The kernel's table.
    Kernel,
    /// A table inside the process.
    Memory,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Plan for a real server instead of a director
    #[arg(long)]
    pub(crate) real_server: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CleanupArguments {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Clean up after the agent on a real server instead of a director
    #[arg(long)]
    pub(crate) real_server: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// Look at a real server instead of a director
    #[arg(long)]
    pub(crate) real_server: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Show also what is well
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct StatusArguments {
    /// Only these: `web`, `web/rs1`, `*/rs1` for rs1 in every service, or an address
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<Target>,
    #[command(flatten)]
    pub(crate) socket: ControlSocket,
    /// Show only what is wrong
    #[arg(long)]
    pub(crate) problems: bool,
    /// Show how many real servers are up and down, and how many conditions there are
    #[arg(long)]
    pub(crate) summary: bool,
    /// Exit with 3 if a real server is down or a condition is a problem
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Print the JSON of `GET /status`
    #[arg(long)]
    pub(crate) json: bool,
    /// Show it again every second; on a terminal, a view with keys that q ends
    #[arg(long)]
    pub(crate) watch: bool,
}

/// What `drain`, `undrain` and `weight` change.
#[derive(Debug, Args)]
pub(crate) struct Targets {
    /// A service `web`, a real server `web/rs1`, that one everywhere `*/rs1`, or an address
    ///
    /// `web` and `web/*` are all real servers of a virtual service. An address with or without
    /// a port (`192.168.11.21`, `[2001:db8::1]:80`) is that of a real server, or the VIP of
    /// virtual services. If one of several targets matches nothing, nothing is changed.
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<Target>,
}

#[derive(Debug, Args)]
pub(crate) struct DrainArguments {
    #[command(flatten)]
    pub(crate) socket: ControlSocket,
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Wait until the last connections have ended, and show how many are left
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long that may take, at most 30days; UDP counts as drained after it
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = deadline, allow_hyphen_values = true)]
    pub(crate) deadline: Duration,
    /// Why, for `status`, the log and events; at most 200 characters
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) reason: Option<Reason>,
}

#[derive(Debug, Args)]
pub(crate) struct UndrainArguments {
    #[command(flatten)]
    pub(crate) socket: ControlSocket,
    #[command(flatten)]
    pub(crate) targets: Targets,
}

#[derive(Debug, Args)]
pub(crate) struct WeightArguments {
    #[command(flatten)]
    pub(crate) socket: ControlSocket,
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// A percentage of the configured weight, a weight, or `reset` for the configured one
    #[arg(value_name = "50%|N|reset", value_parser = weight)]
    pub(crate) weight: WeightArgument,
}

/// The last word of `weight`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WeightArgument(pub(crate) Option<SetWeight>);

fn weight(text: &str) -> Result<WeightArgument, String> {
    if text == "reset" {
        return Ok(WeightArgument(None));
    }
    let weight = text.parse().map(|weight| WeightArgument(Some(weight)));
    weight.map_err(|error: ParseError| format!("{error}, or `reset`"))
}

fn deadline(text: &str) -> Result<Duration, String> {
    let deadline = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if deadline > LONGEST_DEADLINE {
        return Err(format!(
            "the longest is {}",
            humantime::format_duration(LONGEST_DEADLINE)
        ));
    }
    Ok(deadline)
}

/// Where the running agent is reached.
#[derive(Debug, Args)]
pub(crate) struct ControlSocket {
    /// The control socket of the running agent
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// The configuration file that names the control socket
    #[arg(short, long, value_name = "FILE", env = config_variable())]
    pub(crate) config: Option<PathBuf>,
    /// Ask the real server's agent, on a host that is a director as well
    #[arg(long)]
    pub(crate) real_server: bool,
}

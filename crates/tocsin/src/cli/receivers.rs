//! What is typed about routes and receivers.

use super::Remote;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `tocsin routes`
#[derive(Debug, Subcommand)]
pub enum Routes {
    /// The receivers of a label set, on one line
    Test {
        /// alertmanager.yml
        #[arg(long, value_name = "FILE")]
        alertmanager_config: PathBuf,
        /// NAME=VALUE
        labels: Vec<String>,
    },
}

/// `tocsin receivers`
#[derive(Debug, Subcommand)]
pub enum Receivers {
    /// All of them, with their integrations
    List {
        /// Where they are written.
        #[command(flatten)]
        files: ReceiverFiles,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Send a test page by all integrations of one, and print what each answers; exits 1 if one fails
    Test(ReceiverTest),
    /// Print what would be sent, message by message, without sending it and without secrets
    Preview(ReceiverPreview),
}

/// Where receivers are written.
#[derive(Debug, Args)]
pub struct ReceiverFiles {
    /// A tocsin.yml [default: ./tocsin.yml, if there is one and nothing else is given]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// An alertmanager.yml
    #[arg(long, value_name = "FILE")]
    pub alertmanager_config: Option<PathBuf>,
}

/// The alert that a test or a preview is about.
#[derive(Debug, Args)]
pub struct MadeUp {
    /// Its labels, NAME=VALUE; may be given several times, or several at once [default: alertname=TestPage
    /// severity=info]
    #[arg(long = "labels", visible_alias = "label", value_name = "NAME=VALUE", num_args = 1..)]
    pub labels: Vec<String>,
    /// Its annotations, NAME=VALUE
    #[arg(long = "annotations", visible_alias = "annotation", value_name = "NAME=VALUE", num_args = 1..)]
    pub annotations: Vec<String>,
    /// Only this integration of the receiver, such as slack[0]
    #[arg(long, value_name = "NAME")]
    pub integration: Option<String>,
}

/// `tocsin receivers test`
#[derive(Debug, Args)]
pub struct ReceiverTest {
    /// The receiver's name
    pub name: String,
    /// Where it is written.
    #[command(flatten)]
    pub files: ReceiverFiles,
    /// What about.
    #[command(flatten)]
    pub about: MadeUp,
    /// Send the end of it as well, to those that want ends
    #[arg(long)]
    pub resolve: bool,
    /// As JSON, a line for each message
    #[arg(long)]
    pub json: bool,
}

/// `tocsin receivers preview`
#[derive(Debug, Args)]
pub struct ReceiverPreview {
    /// The receiver's name
    pub name: String,
    /// Where it is written.
    #[command(flatten)]
    pub files: ReceiverFiles,
    /// What about.
    #[command(flatten)]
    pub about: MadeUp,
    /// Of the alerts that fire at a server now, the first group of those that match instead: alertname=DiskFull
    #[arg(long, value_name = "MATCHER", num_args = 1.., conflicts_with_all = ["labels", "annotations"])]
    pub live: Vec<String>,
    /// The message about its end
    #[arg(long)]
    pub resolved: bool,
    /// Just this template, filled in: '{{ template \"slack.default.title\" . }}'
    #[arg(long, value_name = "TEXT")]
    pub template: Option<String>,
    /// Whose alerts; JSON has a line for each message.
    #[command(flatten)]
    pub remote: Remote,
}

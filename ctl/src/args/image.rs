//! `shoal image`: the images of the node that is asked.

use super::list::ListArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Load an image from an archive
    Load(LoadArgs),
    /// Download an image from a registry
    Pull(PullArgs),
    /// List images
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// Show everything about images
    Inspect(ImageInspectArgs),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
}

/// Options of `image load`.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Archive made by 'docker save', or a folder with an OCI layout [default: standard input]
    #[arg(short, long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Do not show progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Options of `image pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// Do not show progress
    #[arg(short, long)]
    pub quiet: bool,
    /// The image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    pub reference: String,
}

/// Options of `image ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Options of every list. Filters: dangling, reference.
    #[command(flatten)]
    pub list: ListArgs,
    /// Do not shorten ids
    #[arg(long)]
    pub no_trunc: bool,
    /// Show digests
    #[arg(long)]
    pub digests: bool,
    /// Only images with this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub reference: Option<String>,
}

/// Options of `image inspect`.
#[derive(Debug, Args)]
pub struct ImageInspectArgs {
    /// 'json' or a Go template
    #[arg(short, long)]
    pub format: Option<String>,
    /// Images by name or id
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
}

/// Options of `image rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Remove the image with all its names
    #[arg(short, long)]
    pub force: bool,
    /// Images by name or id
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
}

//! A process that holds sessions: told over its standard input how many to add, it answers when
//! each has had its message echoed, and says how many it holds. It ends with its input.

mod crowd;
mod ring;

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use clap::Args;

use self::crowd::Crowd;
use super::affinity;
use super::content::Content;
use super::dial::Dialer;

#[derive(Args, Clone, Debug)]
pub struct HoldOptions {
    /// Address of the server
    #[arg(long)]
    connect: SocketAddr,
    /// Address to connect from, and after many sessions those that follow it
    #[arg(long)]
    source: Ipv4Addr,
    /// Bytes in a message
    #[arg(long)]
    size: usize,
}

pub fn run(options: &HoldOptions) -> Result<()> {
    affinity::raise_descriptor_limit()?;
    let dialer = Dialer { server: options.connect, source: options.source };
    let mut crowd = Crowd::new(dialer, Content::random(options.size, false, 1))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            Some(("grow", count)) => {
                crowd.grow(count.parse().context("grow")?)?;
                crowd.len()
            }
            None if line == "echo" => {
                crowd.echo()?;
                crowd.len()
            }
            None if line == "leave" => crowd.leave()?,
            _ => bail!("{line} is not understood"),
        };
        writeln!(io::stdout(), "done {answer}")?;
    }
    Ok(())
}

//! How long the key of a node that was killed is nobody's.

use std::time::Instant;

use anyhow::Result;

use crate::broker::Broker;
use crate::node::{Kind, Node};
use crate::ours::LEASE;
use crate::plan::Plan;
use crate::statistics::{median, rank};
use crate::user::User;

pub(crate) fn measure(plan: &Plan) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let broker = Broker::start()?;
        let there = Node::start(Kind::Users, &broker.url(), "there")?;
        for is_known in [true, false] {
            let mut times = Vec::new();
            for round in 0..plan.rounds {
                let mut dies = Node::start(Kind::Users, &broker.url(), "dies")?;
                let mut user = User::connect(dies.address).await?;
                user.log_in("user/1").await?;
                if is_known {
                    // The other node meets it in a record, and watches it from now on.
                    User::connect(there.address).await?.log_in("user/1").await?;
                    let mut again = User::connect(dies.address).await?;
                    again.log_in("user/1").await?;
                    user = again;
                }
                // At another time of its renewals in each round.
                let spread = LEASE / 4 * round as u32 / plan.rounds as u32;
                tokio::time::sleep(LEASE / 4 + spread).await;
                dies.kill()?;
                let killed = Instant::now();
                let mut other = User::connect(there.address).await?;
                other.log_in("user/1").await?;
                times.push(killed.elapsed().as_secs_f64());
                drop((user, other));
            }
            println!(
                "takeover: {:.2} s from kill -9 until another login has the key, {:.2} s at most, with a lease of \
                 {LEASE:?}; the node was {} the other before ({} rounds)",
                median(&times),
                rank(&mut times, 1.0),
                if is_known { "known to" } else { "not known to" },
                plan.rounds
            );
        }
        Ok(())
    })
}

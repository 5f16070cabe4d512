//! Look-ups of keys: one node has the sessions, another asks for them, over JetStream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::broker::Broker;
use crate::node::{Kind, Node};
use crate::ours;
use crate::plan::Plan;
use crate::statistics::median;
use crate::user::User;

const KEYS: usize = 500;
/// Look-ups that have no answer yet.
const OUTSTANDING: [usize; 2] = [1, 256];

pub(crate) fn measure(plan: &Plan) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let broker = Broker::start()?;
        let there = Node::start(Kind::Users, &broker.url(), "there")?;
        let here = ours::users(&broker.url(), "here")?;
        let handle = here.handle();
        let mut users = Vec::new();
        let begin = Instant::now();
        for number in 0..KEYS {
            let mut user = User::connect(there.address).await?;
            user.log_in(&format!("user/{number}")).await?;
            users.push(user);
        }
        println!(
            "directory: {KEYS} logins, one at a time: {:.0} µs each",
            begin.elapsed().as_secs_f64() * 1e6 / KEYS as f64
        );
        for outstanding in OUTSTANDING {
            let mut rates = Vec::new();
            for _ in 0..plan.rounds {
                let (begin, count) = (Instant::now(), AtomicU64::new(0));
                let until = begin + Duration::from_secs_f64(plan.seconds);
                let asks = (0..outstanding).map(|which| {
                    let (handle, count) = (&handle, &count);
                    async move {
                        for number in which.. {
                            if Instant::now() >= until {
                                break;
                            }
                            let places = handle.find_anywhere(format!("user/{}", number % KEYS)).await?;
                            ensure!(places.len() == 1 && &*places[0].node == "there", "{places:?}");
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        anyhow::Ok(())
                    }
                });
                futures_util::future::try_join_all(asks).await?;
                rates.push(count.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64());
            }
            println!(
                "directory: {:.0} look-ups/s with {outstanding} outstanding (median of {} rounds)",
                median(&rates),
                plan.rounds
            );
        }
        Ok(())
    })
}

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use proptest::prelude::*;

use super::*;

fn limits(sessions: usize) -> AdmissionLimits {
    AdmissionLimits { sessions, per_ip: None, v6_prefix: 64, handshakes: None, rate: None }
}

fn v4(last: u8) -> Option<IpAddr> {
    Some(Ipv4Addr::new(127, 0, 0, last).into())
}

fn left(admission: &Admission) -> (usize, usize, usize) {
    let places = admission.gate.lock().unwrap();
    assert_eq!(places.prefixes.is_empty(), places.all.by_prefix.is_empty());
    (places.all.sessions, places.all.handshakes, places.all.by_prefix.len())
}

/// All kinds of peers: an address of each family, a mapped one, two of one block, and none.
fn peer(index: u8) -> Option<IpAddr> {
    let v6 = |block: u16, host: u16| Some(Ipv6Addr::new(0x2001, 0xdb8, 0, block, 0, 0, 0, host).into());
    match index {
        0 | 1 => v4(index),
        2 => Some(Ipv4Addr::new(127, 0, 0, 1).to_ipv6_mapped().into()),
        3 => v6(1, 1),
        4 => v6(1, 2),
        5 => v6(2, 1),
        _ => None,
    }
}

/// The block that a peer belongs to.
fn kin(index: u8) -> Option<u8> {
    match index {
        2 => Some(1),
        4 => Some(3),
        6.. => None,
        other => Some(other),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Come(u8),
    Establish(usize),
    Go(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..8_u8).prop_map(Step::Come),
        1 => any::<usize>().prop_map(Step::Establish),
        2 => any::<usize>().prop_map(Step::Go),
    ]
}

proptest! {
    #[test]
    fn counts_are_exact_in_every_order_and_nothing_is_left(
        most in 1..12_usize,
        per_ip in prop::option::of(1..5_usize),
        handshakes in prop::option::of(1..6_usize),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let admission = Admission::new(AdmissionLimits { per_ip, handshakes, ..limits(most) });
        // The sessions: index, permit, and whether the first packet has come.
        let mut there: Vec<(u8, Permit, bool)> = Vec::new();
        for step in steps {
            match step {
                Step::Come(index) => {
                    let kin_there = there.iter().filter(|(other, ..)| kin(*other) == kin(index)).count();
                    let shaking = there.iter().filter(|(_, _, established)| !established).count();
                    let expected = if there.len() >= most {
                        Some(Refusal::Sessions)
                    } else if kin(index).is_some() && per_ip.is_some_and(|most| kin_there >= most) {
                        Some(Refusal::SessionsPerIp)
                    } else if handshakes.is_some_and(|most| shaking >= most) {
                        Some(Refusal::Handshakes)
                    } else {
                        None
                    };
                    match admission.admit(peer(index), Time::ZERO) {
                        Ok(permit) => {
                            prop_assert_eq!(expected, None);
                            there.push((index, permit, false));
                        }
                        Err(refusal) => prop_assert_eq!(expected, Some(refusal)),
                    }
                }
                Step::Establish(at) if !there.is_empty() => {
                    let at = at % there.len();
                    there[at].1.established();
                    there[at].2 = true;
                }
                Step::Go(at) if !there.is_empty() => drop(there.swap_remove(at % there.len())),
                _ => {}
            }
            let shaking = there.iter().filter(|(_, _, established)| !established).count();
            let mut blocks: Vec<u8> = there.iter().filter_map(|(index, ..)| kin(*index)).collect();
            blocks.sort_unstable();
            blocks.dedup();
            let remembered = if per_ip.is_some() { blocks.len() } else { 0 };
            prop_assert_eq!(left(&admission), (there.len(), shaking, remembered));
        }
        drop(there);
        prop_assert_eq!(left(&admission), (0, 0, 0));
    }

    #[test]
    fn a_prefix_is_what_addresses_have_in_common(a: u128, b: u128, bits in 0..=128_u8) {
        let of = |ip: u128| Prefix::of(Ipv6Addr::from_bits(ip).into(), bits);
        // Above the mapped addresses, which are IPv4.
        let (a, b) = (a | 1 << 127, b | 1 << 127);
        let same = (a ^ b).leading_zeros() >= u32::from(bits);
        prop_assert_eq!(of(a) == of(b), same);
    }
}

#[test]
fn a_storm_from_one_address_takes_nothing_from_the_rate_of_others() {
    let rate = Some(Rate::per_second(10));
    let admission = Admission::new(AdmissionLimits { per_ip: Some(1), rate, ..limits(100) });
    let _first = admission.admit(v4(1), Time::ZERO).unwrap_or_else(|refusal| panic!("{refusal}"));
    for _ in 0..1000 {
        assert_eq!(admission.admit(v4(1), Time::ZERO).err(), Some(Refusal::SessionsPerIp));
    }
    let rest: Vec<Permit> = (2..11).filter_map(|last| admission.admit(v4(last), Time::ZERO).ok()).collect();
    assert_eq!(rest.len(), 9);
    assert_eq!(admission.admit(v4(20), Time::ZERO).err(), Some(Refusal::AcceptRate));
    assert!(admission.admit(v4(20), Time::from_nanos(100_000_000)).is_ok(), "a tenth of a second is worth one");
}

#[test]
fn a_listener_has_limits_of_its_own_below_those_for_all() {
    let none = limits(usize::MAX);
    let rate = Some(Rate::per_second(1));
    let own =
        [AdmissionLimits { handshakes: Some(1), per_ip: Some(1), ..limits(2) }, AdmissionLimits { rate, ..none }, none];
    let admission =
        Admission::of_listeners(AdmissionLimits { rate: Some(Rate::per_second(4)), ..limits(3) }, own.into());
    let refused = |listener, ip| admission.admit_at(listener, ip, Time::ZERO).err();
    let admit =
        |listener, ip| admission.admit_at(listener, ip, Time::ZERO).unwrap_or_else(|refusal| panic!("{refusal}"));
    let mut first = admit(0, v4(1));
    assert_eq!(refused(0, v4(1)), Some(Refusal::SessionsPerIp));
    assert_eq!(refused(0, v4(2)), Some(Refusal::Handshakes));
    first.established();
    let mut second = admit(0, v4(2));
    second.established();
    assert_eq!(refused(0, v4(3)), Some(Refusal::Sessions));
    // An address over one listener's limit is still admitted by another.
    drop(admit(1, v4(1)));
    assert_eq!(refused(1, v4(1)), Some(Refusal::AcceptRate));
    // What a listener refused has taken nothing from the rate for all: this is its fourth.
    let third = admit(2, v4(1));
    assert_eq!(refused(2, v4(1)), Some(Refusal::Sessions), "the total of the server");
    drop(second);
    assert_eq!(refused(2, v4(1)), Some(Refusal::AcceptRate), "the rate of the server");
    assert_eq!((first.listener(), third.listener()), (0, 2));
    drop((first, third));
    assert_eq!(left(&admission), (0, 0, 0));
    let places = admission.gate.lock().unwrap();
    assert!(places.listeners.iter().all(|counts| counts.sessions + counts.handshakes + counts.by_prefix.len() == 0));
}

#[test]
fn permits_given_back_by_other_threads_in_a_storm() {
    const MOST: usize = 50;
    const PER_IP: usize = 7;
    let admission = Admission::new(AdmissionLimits { per_ip: Some(PER_IP), ..limits(MOST) });
    let (there, of_ip) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 16]);
    let mut refused = 0;
    std::thread::scope(|scope| {
        let shards: Vec<mpsc::Sender<(u8, Permit)>> = (0..3)
            .map(|_| {
                let (sender, sessions) = mpsc::channel::<(u8, Permit)>();
                let (there, of_ip) = (&there, &of_ip);
                scope.spawn(move || {
                    for (index, mut permit) in sessions {
                        if index % 2 == 0 {
                            permit.established();
                        }
                        // Counted out before the permit is dropped, so the count never exceeds
                        // the places taken.
                        there.fetch_sub(1, Ordering::SeqCst);
                        of_ip[usize::from(index)].fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                });
                sender
            })
            .collect();
        for round in 0..30_000_usize {
            let index = (round % 16) as u8;
            match admission.admit(v4(index), Time::ZERO) {
                Ok(permit) => {
                    assert!(there.fetch_add(1, Ordering::SeqCst) < MOST);
                    assert!(of_ip[usize::from(index)].fetch_add(1, Ordering::SeqCst) < PER_IP);
                    shards[round % 3].send((index, permit)).expect("it reads until it is told to end");
                }
                Err(_) => {
                    refused += 1;
                    std::thread::yield_now();
                }
            }
        }
    });
    assert!(refused < 30_000, "nobody was admitted");
    assert_eq!(left(&admission), (0, 0, 0));
}

#[test]
fn limits_change_while_sessions_are_there_and_every_place_is_given_back() {
    let ip = |last| Some(IpAddr::from([10, 0, 0, last]));
    let own = AdmissionLimits { per_ip: Some(2), ..limits(usize::MAX) };
    let admission = Admission::of_listeners(limits(3), vec![own, limits(usize::MAX)]);
    let admit = |listener, last| admission.admit_at(listener, ip(last), Time::ZERO);
    // Counted for its address by its listener alone.
    let counted = admit(0, 1).unwrap();
    let uncounted = admit(1, 1).unwrap();
    admission.set_limits(AdmissionLimits { per_ip: Some(1), ..limits(2) });
    assert_eq!(admit(1, 2).err(), Some(Refusal::Sessions));
    admission.set_limits(AdmissionLimits { per_ip: Some(1), ..limits(9) });
    assert_eq!(admit(1, 1).err(), Some(Refusal::SessionsPerIp));
    drop(uncounted);
    assert_eq!(admit(1, 1).err(), Some(Refusal::SessionsPerIp), "an uncounted session gives nothing back");
    drop(counted);
    let one = admit(1, 1).unwrap();
    assert_eq!(admit(1, 1).err(), Some(Refusal::SessionsPerIp));
    drop(one);
    admission.set_limits(limits(1));
    let _only = admit(1, 1).unwrap();
    assert_eq!(admit(1, 1).err(), Some(Refusal::Sessions));
    assert_eq!(admission.sessions(), (1, 1));
}

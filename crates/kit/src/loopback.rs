//! Addresses of this machine for what takes an address and not a bound socket: consensus, brokers, child processes.
//!
//! A port that was found free and let go is anybody's until it is bound. So a port is *claimed*: a datagram socket of the same number
//! is held as long as this process lives, and whoever looks for a port here passes over claimed ones, in other processes too. Ports
//! that the system hands out by itself lie above these, so that no connection takes one meanwhile.

use std::{
    hash::{BuildHasher as _, RandomState},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    sync::{Mutex, PoisonError},
};

/// The ports that are looked through: below what systems hand out by themselves.
const FIRST: u16 = 18_000;
const COUNT: u16 = 14_000;

/// An address of loopback on which nobody listens, kept for this process.
///
/// # Errors
/// When all are taken.
pub fn free_address() -> io::Result<SocketAddr> {
    static CLAIMS: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    // Processes begin at different places, so that they seldom meet.
    let begin = RandomState::new().hash_one(0_u8) % u64::from(COUNT);
    let begin = u16::try_from(begin).unwrap_or(0);
    for step in 0..COUNT {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + (begin + step) % COUNT));
        let Ok(claim) = UdpSocket::bind(addr) else { continue };
        if TcpListener::bind(addr).is_ok() {
            CLAIMS.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
            return Ok(addr);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::*;

    #[test]
    fn nobody_is_given_the_address_of_another() {
        let some = || (0..50).map(|_| free_address().unwrap()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(some)).collect();
        let all: BTreeSet<_> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.len(), 200);
        assert!(all.iter().all(|addr| TcpListener::bind(addr).is_ok()));
    }
}

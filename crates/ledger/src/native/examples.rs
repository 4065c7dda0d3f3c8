//! The contracts of `contracts/examples/` on this ledger, in the bytes that are committed there (`npm run check` compiles
//! them again).

use alloy_primitives::{Address, Bytes, FixedBytes, TxKind, U256, hex};
use alloy_sol_types::{SolCall as _, SolConstructor as _, sol};
use cairn_primitives::{
    DeviceId, Position, STONE, Stones,
    abi::{self, IRegistry, IRewards, REGISTRY},
    registration_message,
};

use super::scenario::{S, Verdicts, World, device_key};
use crate::{
    CallOutcome,
    fixture::{ALICE, BOB, CAROL, Chain, Sent, stones},
};

sol! {
    interface Agreement {
        struct Terms {
            address insured; bytes16 device; uint16 schema; uint8 field; bool above; int32 threshold;
            uint64 fromMs; uint64 untilMs; uint64 proofsUntilMs;
        }
        struct Proof {
            uint64 epoch; bytes envelope; uint32 row; uint32 index; uint32 count; bytes32[] siblings;
        }
        event Paid(bytes16 indexed device, uint64 seq, int32 value, uint256 stones);
        error AlreadySettled();
        error OtherDevice(bytes16 device);
        error OutsidePeriod(uint64 timeMs);
        error NotReached(bool measured, int32 value);
        error TooEarly(uint64 nowMs, uint64 proofsUntilMs);
        constructor(Terms t);
        function prove(Proof p) external;
        function close() external;
    }
    interface Cooperative {
        error NothingToWithdraw(address member);
        constructor(address[] members, uint256[] shares);
        function registerMany(
            uint8 sector, uint8 keyType, bytes publicKeys, int32[] latE7, int32[] lonE7, int32[] elevationDm, bytes proofs
        ) external payable returns (bytes16[] ids);
        function collect() external;
        function withdrawable(address member) external view returns (uint256);
        function withdraw(address member) external;
        function transfer(address to, uint256 value) external returns (bool);
    }
    interface Token {
        constructor(uint256 supply);
        function transfer(address to, uint256 value) external returns (bool);
        function balanceOf(address account) external view returns (uint256);
    }
}

const AGREEMENT: &str = include_str!("../../../../contracts/examples/build/WeatherAgreement.json");
const COOPERATIVE: &str = include_str!("../../../../contracts/examples/build/Cooperative.json");
const TOKEN: &str = include_str!("../../../../contracts/examples/build/Token.json");

/// Creates the contract of a build file with these constructor arguments.
fn deploy(
    chain: &mut Chain,
    from: Address,
    value: Stones,
    build: &str,
    arguments: &[u8],
) -> Address {
    let code = build.split_once("\"bytecode\": \"").expect("bytecode").1;
    let code = hex::decode(code.split('"').next().expect("an end")).expect("hex");
    let contract = from.create(chain.nonce(from));
    let input = [code, arguments.to_vec()].concat();
    assert!(chain.send_raw(from, TxKind::Create, value, input.into()).success);
    contract
}

fn agreement(world: &mut World, threshold: i32, period: (u64, u64)) -> Address {
    let start = world.chain.ledger.genesis().start_ms;
    let terms = Agreement::Terms {
        insured: CAROL,
        device: world.devices[2],
        schema: 1,
        field: 0,
        above: true,
        threshold,
        fromMs: start + period.0,
        untilMs: start + period.1,
        proofsUntilMs: start + 10 * 3_600_000,
    };
    let arguments = Agreement::constructorCall { t: terms }.abi_encode();
    deploy(&mut world.chain, BOB, stones(500), AGREEMENT, &arguments)
}

fn proof(verdicts: &Verdicts, n: usize, row: u32) -> Agreement::proveCall {
    let path = verdicts.proof(n);
    Agreement::proveCall {
        p: Agreement::Proof {
            epoch: 0,
            envelope: verdicts.envelopes[n].bytes().to_vec().into(),
            row,
            index: path.index,
            count: path.count,
            siblings: path.siblings.iter().map(|sibling| sibling.0.into()).collect(),
        },
    }
}

#[test]
fn an_agreement_pays_for_a_verified_reading_alone() {
    let mut world = World::new();
    // Device 3 says 3.00 °C at 10 ms and 3.01 °C at 20 ms.
    let verdicts = Verdicts::new(&world, 0, &[1, 2, 3], &[]);
    let at = agreement(&mut world, 301, (0, 20));
    let missed = agreement(&mut world, 302, (0, 20));
    let past = agreement(&mut world, 301, (0, 19));

    let early: IRewards::EpochNotFinal =
        world.chain.revert(ALICE, at, Stones::ZERO, &proof(&verdicts, 2, 1));
    assert_eq!(early.epoch, 0);
    world.finish_with(verdicts.root());

    let chain = &mut world.chain;
    let low: Agreement::NotReached = chain.revert(ALICE, at, Stones::ZERO, &proof(&verdicts, 2, 0));
    assert_eq!((low.measured, low.value), (true, 300));
    let low: Agreement::NotReached =
        chain.revert(ALICE, missed, Stones::ZERO, &proof(&verdicts, 2, 1));
    assert_eq!(low.value, 301);
    let _: Agreement::OutsidePeriod =
        chain.revert(ALICE, past, Stones::ZERO, &proof(&verdicts, 2, 1));
    let other: Agreement::OtherDevice =
        chain.revert(ALICE, at, Stones::ZERO, &proof(&verdicts, 1, 1));
    assert_eq!(other.device, world.devices[1]);
    let mut forged = proof(&verdicts, 2, 1);
    forged.p.siblings[0] = FixedBytes::ZERO;
    let _: IRewards::BadProof = world.chain.revert(ALICE, at, Stones::ZERO, &forged);

    let before = world.chain.balance(CAROL);
    let sent = world.chain.send(ALICE, at, Stones::ZERO, &proof(&verdicts, 2, 1));
    let paid = &sent.events::<Agreement::Paid>()[0];
    assert_eq!((paid.value, paid.seq, paid.stones), (301, 3_001, U256::from(stones(500).0)));
    assert_eq!(world.chain.balance(CAROL).0 - before.0, stones(500).0);
    let _: Agreement::AlreadySettled =
        world.chain.revert(ALICE, at, Stones::ZERO, &proof(&verdicts, 2, 1));

    let close = Agreement::closeCall {};
    let _: Agreement::TooEarly = world.chain.revert(ALICE, missed, Stones::ZERO, &close);
    world.chain.go_to(10, 0);
    let before = world.chain.balance(BOB);
    assert!(world.chain.send(ALICE, missed, Stones::ZERO, &close).success);
    assert_eq!(world.chain.balance(BOB).0 - before.0, stones(500).0);
}

/// Registers devices with these seeds for the cooperative.
fn enlist(chain: &mut Chain, cooperative: Address, seeds: &[u8]) -> Sent {
    // Another cell than that of the devices of `World`, which fill theirs.
    let place = Position { lat_e7: 416_895_000, lon_e7: -741_745_000, elevation_dm: 20 };
    let mut call = Cooperative::registerManyCall {
        sector: S,
        keyType: 1,
        publicKeys: Bytes::new(),
        latE7: vec![place.lat_e7; seeds.len()],
        lonE7: vec![place.lon_e7; seeds.len()],
        elevationDm: vec![place.elevation_dm; seeds.len()],
        proofs: Bytes::new(),
    };
    let (mut keys, mut proofs) = (Vec::new(), Vec::new());
    for &seed in seeds {
        let key = device_key(seed);
        let message = registration_message(7_777, cooperative, S, &key.public(), place);
        keys.extend_from_slice(key.public().as_bytes());
        proofs.extend_from_slice(&key.sign(&message).expect("signs").0);
    }
    (call.publicKeys, call.proofs) = (keys.into(), proofs.into());
    chain.send(ALICE, cooperative, stones(100 * seeds.len() as u64), &call)
}

#[test]
fn a_cooperative_shares_what_its_devices_earn() {
    let mut world = World::new();
    let arguments = Cooperative::constructorCall {
        members: vec![ALICE, BOB, CAROL],
        shares: vec![U256::from(50), U256::from(30), U256::from(20)],
    };
    let coop = deploy(&mut world.chain, ALICE, Stones::ZERO, COOPERATIVE, &arguments.abi_encode());
    let sent = enlist(&mut world.chain, coop, &[11, 12]);
    assert!(sent.success);
    let devices: Vec<_> =
        sent.events::<IRegistry::DeviceRegistered>().iter().map(|event| event.id).collect();
    assert_eq!(devices[0].0, DeviceId::of(&device_key(11).public()).0);
    let known = world.chain.call(ALICE, REGISTRY, &IRegistry::getCall { id: devices[1] });
    assert_eq!((known.owner, known.bond), (coop, U256::from(stones(100).0)));

    let computed = world.finish_epoch();
    let subsidy: u128 = devices.iter().map(|id| computed.reward(*id).subsidy_stones.0).sum();
    assert!(subsidy > 0);
    world.finish_until(31);
    // Anybody claims; the stones arrive without a call.
    for device in &devices {
        let sent = world.chain.send(CAROL, abi::REWARDS, Stones::ZERO, &computed.claim(*device));
        assert!(sent.success);
    }
    assert_eq!(world.chain.balance(coop).0, subsidy);
    let ask = |chain: &Chain, member| {
        let due = chain.call(ALICE, coop, &Cooperative::withdrawableCall { member });
        due.to::<u128>()
    };
    let close_to = |got: u128, share: u128, of: u128| {
        let exact = of * share / 100;
        assert!(got <= exact && exact - got <= 1, "{got} of {exact}");
    };
    for (member, share) in [(ALICE, 50), (BOB, 30), (CAROL, 20)] {
        close_to(ask(&world.chain, member), share, subsidy);
    }
    // Bob sells all shares to Carol, then 10 stones come in: what he had earned stays his.
    let sale = Cooperative::transferCall { to: CAROL, value: U256::from(30) };
    assert!(world.chain.send(BOB, coop, Stones::ZERO, &sale).success);
    world.chain.send_raw(ALICE, TxKind::Call(coop), stones(10), Bytes::new());
    close_to(ask(&world.chain, BOB), 30, subsidy);
    let carol = subsidy * 20 / 100 + 5 * STONE;
    assert!(carol - ask(&world.chain, CAROL) <= 2);

    for member in [ALICE, BOB, CAROL] {
        let (due, before) = (ask(&world.chain, member), world.chain.balance(member).0);
        let withdraw = Cooperative::withdrawCall { member };
        let from = STRANGER;
        world.chain.send_raw(ALICE, TxKind::Call(from), stones(1), Bytes::new());
        assert!(world.chain.send(from, coop, Stones::ZERO, &withdraw).success);
        let fees = if member == ALICE { 21_000 * 2_000_000_000 + STONE } else { 0 };
        let now = world.chain.balance(member).0;
        assert!(now + fees >= before + due, "{member}");
        let _: Cooperative::NothingToWithdraw =
            world.chain.revert(BOB, coop, Stones::ZERO, &withdraw);
    }
    assert!(world.chain.balance(coop).0 <= 4, "only dust of rounding stays");
}

/// Somebody without shares.
const STRANGER: Address = Address::repeat_byte(0x5e);

#[test]
fn an_openzeppelin_token_moves() {
    let mut chain = Chain::new();
    let supply = U256::from(1_000_000);
    let arguments = Token::constructorCall { supply }.abi_encode();
    let token = deploy(&mut chain, ALICE, Stones::ZERO, TOKEN, &arguments);
    let send = Token::transferCall { to: BOB, value: U256::from(250) };
    assert!(chain.send(ALICE, token, Stones::ZERO, &send).success);
    let balance = |account| chain.call(ALICE, token, &Token::balanceOfCall { account });
    assert_eq!((balance(ALICE), balance(BOB)), (supply - U256::from(250), U256::from(250)));
    let much = Token::transferCall { to: BOB, value: supply }.abi_encode();
    match chain.try_call(ALICE, token, Stones::ZERO, much.into()) {
        // ERC20InsufficientBalance(address,uint256,uint256)
        CallOutcome::Revert { output, .. } => assert_eq!(output[..4], [0xe4, 0x50, 0xd3, 0x8c]),
        other => panic!("{other:?}"),
    }
}

/// `contracts/Cairn.sol` names the addresses that the ledger has.
#[test]
fn the_solidity_library_names_every_contract() {
    let library = include_str!("../../../../contracts/Cairn.sol");
    for (address, name) in abi::CONTRACTS.into_iter().chain(abi::GOVERNED_CONTRACTS) {
        let line = format!("{} = I", name.to_uppercase());
        let rest = library.split_once(&line).unwrap_or_else(|| panic!("{name} is missing")).1;
        assert!(rest.contains(&format!("({address})")), "{name} is not at {address}");
        assert!(rest.split(';').next().is_some_and(|one| one.contains(&address.to_string())));
    }
}

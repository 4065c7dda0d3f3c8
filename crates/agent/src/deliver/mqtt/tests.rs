//! The courier against a broker of forty lines that speaks MQTT 5 with the library's own codec.

use std::net::Ipv4Addr;

use bytes::BytesMut;
use cairn_client::api::BatchResult;
use cairn_primitives::Seq;
use rumqttc::v5::mqttbytes::{
    Error as CodecError,
    v5::{ConnAck, ConnectReturnCode, PubAck, Publish, SubAck, SubscribeReasonCode},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

const DEVICE: DeviceId = DeviceId([7; 16]);

/// Serves one connection: takes evidence and, when `answers`, replies to each; otherwise hangs up at the first.
async fn broker(mut stream: TcpStream, answers: bool) {
    let mut incoming = BytesMut::new();
    loop {
        let packet = match Packet::read(&mut incoming, None) {
            Ok(packet) => packet,
            Err(CodecError::InsufficientBytes(_)) => {
                if stream.read_buf(&mut incoming).await.unwrap_or(0) == 0 {
                    return;
                }
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let replies = match packet {
            Packet::Connect(_, _, login) => {
                assert_eq!(
                    login.unwrap().username,
                    DEVICE.to_string(),
                    "the device logs in as itself"
                );
                let code = ConnectReturnCode::Success;
                vec![Packet::ConnAck(ConnAck { session_present: false, code, properties: None })]
            }
            Packet::Subscribe(subscribe) => {
                assert_eq!(subscribe.filters[0].path, receipt_topic(DEVICE));
                let return_codes = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)];
                vec![Packet::SubAck(SubAck {
                    pkid: subscribe.pkid,
                    return_codes,
                    properties: None,
                })]
            }
            Packet::Publish(_) if !answers => return,
            Packet::Publish(publish) => {
                assert_eq!(publish.topic, evidence_topic(DEVICE));
                let leaf = leaf_hash(&publish.payload);
                let result = BatchResult { leaf, code: 0, name: "Accepted".to_owned() };
                let reply = EvidenceReply { receipt: None, results: vec![result] };
                let json = serde_json::to_vec(&reply).unwrap();
                let answer = Publish::new(receipt_topic(DEVICE), QoS::AtMostOnce, json, None);
                vec![Packet::PubAck(PubAck::new(publish.pkid, None)), Packet::Publish(answer)]
            }
            _ => Vec::new(),
        };
        let mut outgoing = BytesMut::new();
        for reply in replies {
            reply.write(&mut outgoing, None).unwrap();
        }
        if stream.write_all(&outgoing).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn delivers_again_after_the_broker_hung_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut courier =
        MqttCourier::new(&listener.local_addr().unwrap().to_string(), DEVICE).unwrap();
    let serving = tokio::spawn(async move {
        for answers in [false, true] {
            let (stream, _) = listener.accept().await.unwrap();
            broker(stream, answers).await;
        }
    });
    let batch = |byte: u8| [Waiting { first_seq: Seq(0), envelope: vec![0xd2, byte] }];
    let error = courier.send(&batch(1)).await.unwrap_err();
    assert!(matches!(error, DeliverError::Transport { .. }), "{error}");
    for byte in [1, 2] {
        // The first attempt's message is published again by the library: the courier tells the answers apart.
        let reply = courier.send(&batch(byte)).await.unwrap();
        assert_eq!(reply.results[0].leaf, leaf_hash(&[0xd2, byte]));
    }
    drop(courier);
    serving.await.unwrap();
}

#[test]
fn an_address_needs_a_port() {
    for address in ["", "localhost", "localhost:", "localhost:99999"] {
        assert!(MqttCourier::new(address, DEVICE).is_err(), "{address}");
    }
}

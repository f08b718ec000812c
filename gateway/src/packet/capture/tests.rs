use std::time::Duration;

use super::*;

fn frames() -> Vec<Vec<u8>> {
    vec![vec![1; 60], vec![2; 61], vec![3; 1_514]]
}

/// A file with these frames, as our writer writes it.
fn classic() -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file).unwrap();
    for (number, frame) in (1..).zip(frames()) {
        let wire_bytes = u32::try_from(frame.len()).unwrap() + 4;
        writer
            .add(Duration::new(number, 5), &frame, wire_bytes)
            .unwrap();
    }
    file
}

/// A file of the newer format in either order of bytes, with a block of a kind that is not read.
fn next_generation(order: Order) -> Vec<u8> {
    let number = |value: u32| match order {
        Order::Little => value.to_le_bytes(),
        Order::Big => value.to_be_bytes(),
    };
    let short = |value: u16| match order {
        Order::Little => value.to_le_bytes(),
        Order::Big => value.to_be_bytes(),
    };
    let mut file = Vec::new();
    let mut block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = u32::try_from(body.len()).unwrap() + 12;
        file.extend(number(kind));
        file.extend(number(length));
        file.extend(&body);
        file.extend(number(length));
    };
    let words =
        |values: &[u32]| -> Vec<u8> { values.iter().flat_map(|value| number(*value)).collect() };
    let mut section = words(&[0x1a2b_3c4d]);
    section.extend([short(1), short(0)].as_flattened());
    section.extend(words(&[u32::MAX, u32::MAX]));
    block(0x0a0d_0d0a, &section);
    let mut interface = [short(1), short(0)].as_flattened().to_vec();
    interface.extend(words(&[0]));
    block(1, &interface);
    block(4, &[0; 6]);
    for (index, frame) in frames().iter().enumerate() {
        let length = u32::try_from(frame.len()).unwrap();
        let mut body = if index == 1 {
            words(&[length])
        } else {
            words(&[0, 0, 0, length, length + 4])
        };
        body.extend(frame);
        block(if index == 1 { 3 } else { 6 }, &body);
    }
    file
}

#[test]
fn what_is_written_is_read_again() {
    let file = classic();
    for (number, expected) in (1..).zip(frames()) {
        let frame = nth(file.as_slice(), number).unwrap();
        assert_eq!(frame.wire_bytes as usize, expected.len() + 4);
        assert_eq!(frame.bytes, expected);
    }
    let error = nth(file.as_slice(), 4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it has 3 frames, so there is no number 4"
    );
    assert!(nth(file.as_slice(), 0).is_err());
}

#[test]
fn the_newer_format_is_read_in_either_order() {
    for order in [Order::Little, Order::Big] {
        let file = next_generation(order);
        for (number, expected) in (1..).zip(frames()) {
            assert_eq!(nth(file.as_slice(), number).unwrap().bytes, expected);
        }
        assert!(matches!(
            nth(file.as_slice(), 4),
            Err(CaptureError::NoSuchFrame { count: 3, .. })
        ));
    }
}

#[test]
fn the_classic_format_is_read_in_the_other_order() {
    let mut file = vec![0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4];
    file.extend([0; 8]);
    file.extend([0, 4, 0, 0, 0, 0, 0, 1]);
    file.extend([0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 60]);
    file.extend([7, 8]);
    let expected = Frame {
        bytes: vec![7, 8],
        wire_bytes: 60,
    };
    assert_eq!(nth(file.as_slice(), 1).unwrap(), expected);
}

#[test]
fn a_file_that_ends_anywhere_is_refused_or_shorter_and_never_invented() {
    for file in [
        classic(),
        next_generation(Order::Little),
        next_generation(Order::Big),
    ] {
        for length in 0..file.len() {
            for (number, expected) in (1..).zip(frames()) {
                if let Ok(frame) = nth(&file[..length], number) {
                    assert_eq!(frame.bytes, expected);
                }
            }
            assert!(nth(&file[..length], 3).is_err(), "{length}");
        }
    }
}

#[test]
fn lengths_are_bounded_before_they_are_believed() {
    let mut file = classic();
    file[24 + 8..24 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = nth(file.as_slice(), 1).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("frame 1: it claims 4294967295"),
        "{error}"
    );
    let mut file = next_generation(Order::Little);
    file[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(
        nth(file.as_slice(), 1),
        Err(CaptureError::TooLong { .. })
    ));
    // A length of less than the block's own framing, and one that is no whole number of words.
    for length in [0_u32, 8, 12, 29] {
        file[4..8].copy_from_slice(&length.to_le_bytes());
        let error = nth(file.as_slice(), 1).unwrap_err();
        assert!(matches!(error, CaptureError::Malformed { .. }), "{error}");
    }
}

#[test]
fn other_files_and_other_links_are_refused_by_name() {
    let error = nth(&b"GET / HTTP/1.1"[..], 1).unwrap_err();
    assert!(error.to_string().contains("is no capture"), "{error}");
    let mut file = classic();
    file[20] = 113;
    let error = nth(file.as_slice(), 1).unwrap_err();
    assert!(
        error.to_string().starts_with("its link type is 113"),
        "{error}"
    );
}

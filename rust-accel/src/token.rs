//! Forwarding tokens (protocol section 5): in batches for the main thread, one by one for the frame path. Pure; BLAKE3.

use blake3::Hasher;

/// Bytes of a route value and of a token.
pub const ROUTE: usize = 16;

/// Derives r and token for each value, r ‖ token in `out`.
///
/// `values` holds values of `value_bytes` end to end; `out` has 32 bytes for each.
pub fn derive(
    (token_key, segment): (&[u8; 32], &[u8; 16]),
    (period, kind): (u32, u8),
    (values, value_bytes): (&[u8], usize),
    out: &mut [u8],
) {
    let mut keyed = Hasher::new_keyed(token_key);
    keyed.update(&period.to_le_bytes()).update(&[kind]);
    let mut plain = Hasher::new();
    plain.update(segment);
    for (index, place) in out.chunks_exact_mut(2 * ROUTE).enumerate() {
        let value = &values[index * value_bytes..(index + 1) * value_bytes];
        let route = keyed.clone().update(value).finalize();
        let (r, token) = place.split_at_mut(ROUTE);
        r.copy_from_slice(&route.as_bytes()[..ROUTE]);
        token.copy_from_slice(&plain.clone().update(r).finalize().as_bytes()[..ROUTE]);
    }
}

/// Derives one token.
pub fn token((token_key, segment): (&[u8; 32], &[u8; 16]), (period, kind): (u32, u8), value: &[u8]) -> [u8; ROUTE] {
    let mut pair = [0; 2 * ROUTE];
    derive((token_key, segment), (period, kind), (value, value.len()), &mut pair);
    core::array::from_fn(|index| pair[ROUTE + index])
}

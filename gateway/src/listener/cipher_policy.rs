//! What a security policy lets handshakes use: suites and groups of the TLS library.

use rustls::NamedGroup;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CipherSuite, SupportedCipherSuite};

use crate::model::SecurityPolicy;

/// The library's algorithms that `policy` has.
pub(super) fn provider(policy: SecurityPolicy) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let has_suite = |suite: &SupportedCipherSuite| permits_suite(policy, suite.suite());
    provider.cipher_suites.retain(has_suite);
    let mut groups = aws_lc_rs::ALL_KX_GROUPS.to_vec();
    groups.retain(|group| permits_group(policy, group.name()));
    // Of what a client offers in its hello the client's order decides; ours is what it is asked for
    // where it offers nothing.
    groups.sort_by_key(|group| !is_hybrid(group.name()));
    provider.kx_groups = groups;
    provider
}

/// The suites with AES in GCM mode are in every policy, ChaCha20 is in those of TLS 1.3 without FIPS
/// and no policy has it in TLS 1.2.
fn permits_suite(policy: SecurityPolicy, suite: CipherSuite) -> bool {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => true,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => !policy.is_fips(),
        _ => false,
    }
}

fn permits_group(policy: SecurityPolicy, group: NamedGroup) -> bool {
    match group {
        NamedGroup::secp256r1 | NamedGroup::secp384r1 => true,
        NamedGroup::X25519 => !policy.is_fips(),
        group => is_hybrid(group) && policy.is_post_quantum(),
    }
}

/// Post-quantum together with a curve, so that either of them suffices.
fn is_hybrid(group: NamedGroup) -> bool {
    matches!(
        group,
        NamedGroup::X25519MLKEM768 | NamedGroup::secp256r1MLKEM768
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(policy: SecurityPolicy, suites: usize, groups: &[NamedGroup]) {
        let provider = provider(policy);
        assert_eq!(provider.cipher_suites.len(), suites, "{policy}");
        let mut found: Vec<NamedGroup> = provider
            .kx_groups
            .iter()
            .map(|group| group.name())
            .collect();
        let has_hybrid_first = found.first().is_some_and(|group| is_hybrid(*group));
        assert_eq!(has_hybrid_first, policy.is_post_quantum(), "{policy}");
        let number = |group: &NamedGroup| u16::from(*group);
        found.sort_by_key(number);
        let mut groups = groups.to_vec();
        groups.sort_by_key(number);
        assert_eq!(found, groups, "{policy}");
    }

    #[test]
    fn every_policy_has_what_it_says_and_nothing_else() {
        use NamedGroup::{X25519, X25519MLKEM768, secp256r1, secp256r1MLKEM768, secp384r1};

        for policy in SecurityPolicy::ALL.iter().copied() {
            // Versions decide between the suites of 1.2 and 1.3.
            let suites = if policy.is_fips() { 6 } else { 7 };
            let mut groups = vec![secp256r1, secp384r1];
            if !policy.is_fips() {
                groups.push(X25519);
            }
            if policy.is_post_quantum() {
                groups.extend([X25519MLKEM768, secp256r1MLKEM768]);
            }
            check(policy, suites, &groups);
        }
    }
}

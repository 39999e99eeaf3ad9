//! What nodes sign tokens with, and how secrets are known without being told. Only a build that can be a node has it;
//! in others nothing that calls it is ever reached.

#[cfg(any(test, feature = "sim", feature = "cluster"))]
mod real {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};

    /// The first half of HMAC-SHA-256, which is as much as 128 bits of a token need (RFC 2104, section 5).
    const BYTES: usize = super::SIGNATURE_BYTES;

    fn mac(secret: &[u8; 32], bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length is right");
        mac.update(bytes);
        mac
    }

    /// The signature of some bytes.
    pub fn sign(secret: &[u8; 32], bytes: &[u8]) -> [u8; BYTES] {
        let whole = mac(secret, bytes).finalize().into_bytes();
        whole[..BYTES].try_into().expect("it is longer")
    }

    /// Whether it is theirs, in a time that does not depend on where it differs.
    pub fn is_signed(secret: &[u8; 32], bytes: &[u8], signature: &[u8; BYTES]) -> bool {
        mac(secret, bytes).verify_truncated_left(signature).is_ok()
    }

    /// SHA-256.
    pub fn digest(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }
}

#[cfg(not(any(test, feature = "sim", feature = "cluster")))]
mod real {
    const ALONE: &str = "only a node of a cluster signs";

    pub fn sign(_: &[u8; 32], _: &[u8]) -> [u8; super::SIGNATURE_BYTES] {
        unreachable!("{ALONE}")
    }

    pub fn is_signed(_: &[u8; 32], _: &[u8], _: &[u8; super::SIGNATURE_BYTES]) -> bool {
        unreachable!("{ALONE}")
    }

    pub fn digest(_: &[u8]) -> [u8; 32] {
        unreachable!("{ALONE}")
    }
}

pub use real::{digest, is_signed, sign};

pub const SIGNATURE_BYTES: usize = 16;

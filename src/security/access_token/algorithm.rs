//! Signing algorithms under the names of the JWT library.

use jsonwebtoken::Algorithm;

use crate::domain::signing_key::SigningAlgorithm;

pub(crate) fn jwt_algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
    }
}

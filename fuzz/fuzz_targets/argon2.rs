#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| auth_gateway::fuzzing::argon2(data));

//! Ways to sign in, and what a refused sign-in reveals.

mod account_enumeration;
mod password;

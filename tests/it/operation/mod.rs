//! What operators run, read and live through.

mod audit;
mod command_line;
mod metrics;
mod migrations;
mod nodes;
mod outage;
mod shutdown;

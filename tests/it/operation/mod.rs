//! Operation: commands, logs, metrics, several nodes, outages and the stop.

mod audit;
mod command_line;
mod maintenance;
mod metrics;
mod migrations;
mod nodes;
mod outage;
mod shutdown;

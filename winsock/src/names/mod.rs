//! Names of hosts and services, and addresses as text.

mod addrinfo;
mod byte_order;
mod connect_by_name;
mod database;
mod nameinfo;
mod text;
mod wide;

//! The change log: the commit point of the appliance.

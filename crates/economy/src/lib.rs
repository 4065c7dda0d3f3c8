//! Emission, subsidy, fees, bonds and payback as pure integer functions.

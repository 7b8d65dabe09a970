"""Who answers what: arrays in, arrays out."""

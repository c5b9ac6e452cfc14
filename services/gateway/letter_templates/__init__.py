"""Templates of letters (函件模板): texts for the fields of an act, with places that a case's facts fill."""

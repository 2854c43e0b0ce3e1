-- Columns that are generated when they are read.

-- refused SF001: a range of what is generated from the key
DELETE FROM coupons WHERE tenfold > 50

-- passes: one value that is generated from the key
DELETE FROM coupons WHERE tenfold = 50

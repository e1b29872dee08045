-- This number is the retention step's.
SELECT 1;

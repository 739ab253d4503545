-- Deletes rows of a table. Variables: table, expired (a query that returns their ctid).
delete from :"table"
where ctid in (select expired.ctid from (:expired) as expired) -- noqa: AL05

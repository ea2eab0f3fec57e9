WITH RECURSIVE line(id, parent_id, fsm, step, status, depth) AS
(SELECT gendurable.instances.id AS id, gendurable.instances.parent_id AS parent_id, gendurable.instances.fsm AS fsm, gendurable.instances.step AS step, gendurable.instances.status AS status, 0 AS depth
FROM gendurable.instances
WHERE gendurable.instances.id = %(target)s::BIGINT UNION ALL SELECT elder.id AS id, elder.parent_id AS parent_id, elder.fsm AS fsm, elder.step AS step, elder.status AS status, line.depth + 1 AS anon_1
FROM gendurable.instances AS elder, line
WHERE elder.id = line.parent_id AND line.depth < 20)
 SELECT line.id, line.parent_id, line.fsm, line.step, line.status, line.depth
FROM line
WHERE line.depth > 0 ORDER BY line.depth DESC

WITH RECURSIVE line(id, parent_id, fsm, step, status, depth) AS
(SELECT instances.id, instances.parent_id, instances.fsm, instances.step, instances.status, 0 AS depth
FROM gendurable.instances
WHERE instances.id = %(target)s::BIGINT UNION ALL SELECT elder.id, elder.parent_id, elder.fsm, elder.step, elder.status, line.depth + 1 AS anon_1
FROM gendurable.instances AS elder, line
WHERE elder.id = line.parent_id AND line.depth < 20)
 SELECT line.id, line.parent_id, line.fsm, line.step, line.status, line.depth
FROM line
WHERE line.depth > 0 ORDER BY line.depth DESC

WITH newest AS
(SELECT signals.id, signals.target_id
FROM gendurable.signals ORDER BY signals.id DESC
 LIMIT %(up_to)s::BIGINT)
 DELETE FROM gendurable.signals WHERE signals.id = any(array((SELECT newest.id
FROM newest
WHERE (SELECT instances.status
FROM gendurable.instances
WHERE instances.id = newest.target_id) = 'done')))

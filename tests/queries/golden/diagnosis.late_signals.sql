SELECT count(*) AS count, min(instances.id) AS example
FROM gendurable.signals JOIN gendurable.instances ON instances.id = signals.target_id
WHERE instances.status = 'done'

SELECT count(*) AS count, min(gendurable.instances.id) AS example
FROM gendurable.signals JOIN gendurable.instances ON gendurable.instances.id = gendurable.signals.target_id
WHERE gendurable.instances.status = 'done'

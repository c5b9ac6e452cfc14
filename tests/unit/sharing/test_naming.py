"""Bulletins that name somebody."""

from services.exchange.session import new_id
from services.sharing.naming import naming
from tests.unit.sharing.sharing_world import CORRECT, PUBLISH, World, bulletin


def test_a_bulletin_that_names_somebody_is_found(world: World) -> None:
    """In either width and brackets; by its newest text, and not where only the pairs are there."""
    ids = [new_id() for _ in range(4)]
    texts = ("查处青禾（华东）食品有限公司", "ＡＢＣ诊所整改完成", "青禾与华东的食品，有限", "无关")
    for item_id, text in zip(ids, texts, strict=True):
        world.deliver(world.foreign(PUBLISH, item_id, 1, bulletin("通报", text)))

    def found(*names: str) -> list[str]:
        return [item.item_id for item, _ in world.database.read(lambda connection: naming(connection, names))]

    assert found("青禾(华东)食品有限公司") == [ids[0]]
    assert found("ABC诊所") == [ids[1]]
    assert set(found("青禾（华东）食品有限公司", "ＡＢＣ诊所")) == {ids[0], ids[1]}
    assert found("甲", "") == []
    world.deliver(world.foreign(CORRECT, ids[0], 2, bulletin("通报", "更正：与该公司无关")))
    assert found("青禾(华东)食品有限公司") == []

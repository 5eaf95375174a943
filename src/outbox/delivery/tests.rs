//! How the IDs of deliveries are written and read.

use super::*;

#[test]
fn any_number_that_somebody_asks_for_is_an_id() {
    assert_eq!(DeliveryId::of_edit(7).edited_group(), Some(7));
    for no_edit in [7, 0, i64::MAX, i64::MIN] {
        assert_eq!(DeliveryId(no_edit).edited_group(), None, "{no_edit}");
    }
}

#[test]
fn a_delivery_is_found_by_the_name_that_logs_show() {
    for (id, name) in [(DeliveryId(42), "42"), (DeliveryId::of_edit(7), "edit-7")] {
        assert_eq!((id.to_string().as_str(), name.parse()), (name, Ok(id)));
    }
    for no_name in ["", "0", "-7", "edit-0", "edit--7", "edit-", "a", "9223372036854775808"] {
        assert!(no_name.parse::<DeliveryId>().is_err(), "{no_name}");
    }
    assert_eq!(format!("{:>8}", DeliveryId::of_edit(7)), "  edit-7");
}

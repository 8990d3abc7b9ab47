//! stub
pub(crate) struct Beat;
impl Beat {
    pub(crate) fn now(&self) {}
    pub(crate) fn for_test() -> Self {
        Self
    }
}

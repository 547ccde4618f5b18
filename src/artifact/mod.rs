//! Room `artifact`: an image's specification, from the first source that has one.
